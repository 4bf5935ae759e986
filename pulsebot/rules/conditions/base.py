"""What a condition is: it watches the events of one key and says how things stand.

A condition is a frozen model (its parameters, as written in the rule file) with two methods.
What it must remember per key is a small state that the engine keeps for it. It reads event
time from the facts and logical time from `now_ms`; it has no clock, and it must not know
rules, alerts or who is told.
"""

from collections.abc import Sequence
from enum import Enum
from typing import ClassVar, Generic, NamedTuple, TypeVar

from msgspec import Struct

from pulsebot.language import Model
from pulsebot.rules.facts import Facts

S = TypeVar("S", bound=Struct)

NOUNS = {
    "trigger": ("trigger", "triggers"),
    "crash": ("crash", "crashes"),
    "status": ("status", "statuses"),
    "message": ("message", "messages"),
}


class Verdict(Enum):
    """How things stand for one key; EVENT is a notification of its own, without an episode."""

    CLEAR = "clear"
    PENDING = "pending"
    FIRING = "firing"
    EVENT = "event"


class Step(NamedTuple, Generic[S]):
    """What a condition says after it saw an event, or after time passed.

    `state` None means that nothing need be remembered of this key; only a CLEAR or EVENT
    step may say so. `reason` is empty where nothing new is to be said. `due_ms` is the
    logical time to look again even if no event came. `events` is how many events this step
    adds to the episode.
    """

    state: S | None
    verdict: Verdict
    reason: str = ""
    due_ms: int | None = None
    events: int = 0


class Condition(Model, Generic[S]):
    """Base of all conditions. Subclasses have a `type` and say which state they keep."""

    state_type: ClassVar[type[Struct] | None] = None
    kinds: ClassVar[frozenset[str]] = frozenset(NOUNS)
    """The kinds of event that it can judge."""

    def key_fields(self) -> Sequence[str]:
        """Return the fields whose values make a key; each key is watched on its own."""
        raise NotImplementedError

    def observe(self, state: S | None, facts: Facts, now_ms: int) -> Step[S]:
        """Take one event of the key into account; may change `state` and return it."""
        raise NotImplementedError

    def elapse(self, state: S, now_ms: int) -> Step[S]:
        """Judge again at `now_ms`, which is at or after the `due_ms` that was asked for."""
        raise NotImplementedError


def counted(count: int, kind: str) -> str:
    """Return a count with the noun of its kind: `1 crash`, `1,200 triggers`."""
    one, many = NOUNS[kind]
    return f"{count:,} {one if count == 1 else many}"
