"""Routes: to whom a finding goes. An ordered list; every route says whether to look further.

This module must not know chats, nor what is sent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from pulsebot.event import Level
from pulsebot.language import Many, Model, Value
from pulsebot.routing.receiver import Receiver
from pulsebot.rules.rule import Severity
from pulsebot.rules.selector import Kind

NO_MATCH = "no route matched"


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to be routed; a message's `level` is empty for every other kind."""

    rule: str
    severity: str
    kind: str
    service: str
    level: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


class Match(Model):
    """What a subject must be: keys are AND, the values of one key OR; `{}` is everything."""

    severity: Many[Severity] | None = None
    rule: Many[Value] | None = None
    service: Many[Value] | None = None
    kind: Many[Kind] | None = None
    level: Many[Level] | None = None
    tags: Annotated[dict[str, Many[Value]], Field(min_length=1)] | None = None
    labels: Annotated[dict[str, Many[Value]], Field(min_length=1)] | None = None

    def accepts(self, subject: Subject) -> bool:
        """Say whether a subject is meant."""
        return all(
            allowed is None or getattr(subject, name) in allowed for name, allowed in self._plain()
        ) and all(
            getattr(subject, name).get(key) in allowed
            for name in ("tags", "labels")
            for key, allowed in (getattr(self, name) or {}).items()
        )

    def covers(self, other: "Match") -> bool:
        """Say whether everything that `other` accepts is accepted here too."""
        return all(
            allowed is None or set(getattr(other, name) or (None,)) <= set(allowed)
            for name, allowed in self._plain()
        ) and all(
            set((getattr(other, name) or {}).get(key, (None,))) <= set(allowed)
            for name in ("tags", "labels")
            for key, allowed in (getattr(self, name) or {}).items()
        )

    def _plain(self) -> list[tuple[str, tuple[str, ...] | None]]:
        names = ("severity", "rule", "service", "kind", "level")
        return [(name, getattr(self, name)) for name in names]


class Route(Model):
    """One route: who is told of what matches, and whether later routes are looked at too."""

    match: Match
    to: Many[Receiver]
    then: Literal["stop", "continue"]


@dataclass(frozen=True, slots=True)
class Routed:
    """To whom, each once, in order; by which routes (their indexes); and why."""

    receivers: tuple[str, ...]
    matched: tuple[int, ...]
    reason: str


def route(routes: Sequence[Route], subject: Subject) -> Routed:
    """Return who is to be told of a subject."""
    receivers: dict[str, None] = {}
    matched: list[int] = []
    for index, candidate in enumerate(routes):
        if not candidate.match.accepts(subject):
            continue
        matched.append(index)
        receivers.update(dict.fromkeys(candidate.to))
        if candidate.then == "stop":
            break
    if not matched:
        return Routed((), (), NO_MATCH)
    numbers = ", ".join(str(index + 1) for index in matched)
    return Routed(tuple(receivers), tuple(matched), f"matched route {numbers}")
