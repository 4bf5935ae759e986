"""Selectors: which events a rule looks at. Keys are AND, the values of one key are OR.

The cost of an event does not grow with the number of rules. Its service tells at once which
selectors are left that may take it: for most events of a fleet, none. The verdict of those
depends on a few attributes only, so it is remembered by the distinct values of these.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import Field, model_validator

from pulsebot.event import Event, Level
from pulsebot.language import Many, Model, Value
from pulsebot.rules.facts import KINDS

Kind = Literal["trigger", "crash", "status", "message"]
State = Literal["up", "degraded", "down", "starting", "stopped", "unknown"]
R = TypeVar("R")

MAX_REMEMBERED = 10_000
"""Distinct attribute sets whose verdict a group of selectors remembers; then it starts afresh."""

_PATHS = {
    "service": "service",
    "instance": "instance",
    "level": "data.level",
    "error": "data.error",
    "name": "data.name",
    "state": "data.state.value",
}
_ONLY = {"level": "message", "error": "crash", "name": "trigger", "state": "status"}


class Selector(Model):
    """Values that an event must have; a key that is not given is not looked at."""

    kind: Many[Kind]
    service: Many[Value] | None = None
    instance: Many[Value] | None = None
    name: Many[Value] | None = None
    error: Many[Value] | None = None
    state: Many[State] | None = None
    level: Many[Level] | None = None
    tags: Annotated[dict[str, Many[Value]], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _possible(self) -> "Selector":
        for attribute, kind in _ONLY.items():
            if getattr(self, attribute) is not None and set(self.kind) != {kind}:
                raise ValueError(
                    f"`{attribute}` is a field of {kind} events only; "
                    f"put `kind: {kind}` or remove it"
                )
        return self

    def attributes(self) -> list[str]:
        """Return the names of the attributes it looks at, besides kind and tags."""
        return [name for name in _PATHS if getattr(self, name) is not None]

    def accepts(self, values: Mapping[str, Any], tags: Mapping[str, str]) -> bool:
        """Say whether an event with these attributes is selected."""
        return all(values[name] in getattr(self, name) for name in self.attributes()) and all(
            tags.get(tag) in allowed for tag, allowed in (self.tags or {}).items()
        )


class Lane(Generic[R]):
    """Everything that looks at one kind of event: a group for each service that is named."""

    def __init__(self, selected: Sequence[tuple[Selector, R]]) -> None:
        others = [pair for pair in selected if pair[0].service is None]
        self._others = _Group(others) if others else None
        named = {service for selector, _ in selected for service in selector.service or ()}
        self._groups = {
            service: _Group([(s, r) for s, r in selected if service in (s.service or (service,))])
            for service in named
        }

    def find(self, event: Event) -> tuple[R, ...]:
        """Return those whose selector takes the event, in their order."""
        group = self._groups.get(event.service, self._others)
        return () if group is None else group.find(event)


class _Group(Generic[R]):
    """The selectors that may take an event of one service, or of any that is not named."""

    def __init__(self, selected: Sequence[tuple[Selector, R]]) -> None:
        self._selected = selected
        attributes = {n for selector, _ in selected for n in selector.attributes()}
        self._names = sorted(attributes - {"service"})
        self._tags = sorted({tag for selector, _ in selected for tag in selector.tags or ()})
        paths = [_PATHS[name] for name in self._names]
        self._read: Callable[[Event], Any] = attrgetter(*paths) if paths else _nothing
        self._remembered: dict[Any, tuple[R, ...]] = {}

    def find(self, event: Event) -> tuple[R, ...]:
        """Return those whose selector takes the event, found by one dict lookup."""
        key = self._read(event)
        if self._tags:
            key = (key, *map(event.data.tags.get, self._tags))
        found = self._remembered.get(key)
        return self._judge(event, key) if found is None else found

    def _judge(self, event: Event, key: Any) -> tuple[R, ...]:  # noqa: ANN401 - a tuple of whatever the attributes are
        values = {name: attrgetter(_PATHS[name])(event) for name in ("service", *self._names)}
        found = tuple(r for s, r in self._selected if s.accepts(values, event.data.tags))
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered[key] = found
        return found


def _nothing(_event: Event) -> None:
    """Read no attribute: one verdict for all."""


def lanes(selected: Iterable[tuple[Selector, R]]) -> dict[type[Event], Lane[R]]:
    """Sort by the class of the events that are looked at; order is kept."""
    listed = list(selected)
    by_class = {
        cls: [(selector, r) for selector, r in listed if kind in selector.kind]
        for kind, cls in KINDS.items()
    }
    return {cls: Lane(found) for cls, found in by_class.items() if found}
