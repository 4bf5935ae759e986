"""Condition `fingerprint`: a crash never seen before, or one that is back after a quiet time."""

from datetime import timedelta
from typing import Literal

from msgspec import Struct
from pydantic import model_validator

from pulsebot.language import KeyField, Many, Span
from pulsebot.rules.conditions.base import Condition, Step, Verdict
from pulsebot.rules.facts import Facts
from pulsebot.timespan import format_duration

MINUTE_MS = 60_000
DAY_MS = 86_400_000


class Seen(Struct):
    """When a crash was seen last (event time), and whether an episode of it is open."""

    last_ms: int
    firing: bool = False


class NewCrash(Condition[Seen]):
    """The first crash of a fingerprint (`new`), or the first after quiet (`regression`)."""

    state_type = Seen
    kinds = frozenset({"crash"})

    type: Literal["fingerprint"]
    on: Many[Literal["new", "regression"]] = ("new", "regression")
    regression_after: Span = DAY_MS
    """Quiet for this long: the episode is over, and another crash is a regression."""
    forget_after: Span = 90 * DAY_MS
    """After this long without a crash the same one counts as new."""
    by: Many[KeyField] = ("service",)
    """What to keep apart besides the fingerprint."""

    @model_validator(mode="after")
    def _forgets_last(self) -> "NewCrash":
        if self.forget_after < self.regression_after:
            raise ValueError("`forget_after` must not be shorter than `regression_after`")
        return self

    def key_fields(self) -> tuple[str, ...]:
        """Return service and fingerprint, then whatever else `by` names."""
        return tuple(dict.fromkeys(("service", "fingerprint", *self.by)))

    def observe(self, state: Seen | None, facts: Facts, now_ms: int) -> Step[Seen]:  # noqa: ARG002 - the contract of all conditions
        """Compare with when this crash was seen last."""
        if state is None:
            seen = Seen(facts.time_ms, firing="new" in self.on)
            return self._step(seen, "never seen before", 1)
        quiet_ms = facts.time_ms - state.last_ms
        state.last_ms = max(state.last_ms, facts.time_ms)
        if not state.firing and quiet_ms >= self.regression_after:
            state.firing = "regression" in self.on
            return self._step(state, f"back after {_length(quiet_ms)} of quiet", 1)
        return self._step(state, "seen again", 1)

    def elapse(self, state: Seen, now_ms: int) -> Step[Seen]:
        """Close the episode after the quiet time; much later forget the crash."""
        quiet_ms = now_ms - state.last_ms
        if quiet_ms >= self.forget_after:
            return Step(None, Verdict.CLEAR, f"not seen for {_length(quiet_ms)}")
        if state.firing and quiet_ms >= self.regression_after:
            state.firing = False
            return self._step(state, f"not seen for {_length(self.regression_after)}", 0)
        return self._step(state, "", 0)

    def _step(self, seen: Seen, reason: str, count: int) -> Step[Seen]:
        verdict = Verdict.FIRING if seen.firing else Verdict.CLEAR
        after = self.regression_after if seen.firing else self.forget_after
        return Step(seen, verdict, reason, seen.last_ms + after, count)


def _length(ms: int) -> str:
    """Return a length of time in words, in whole minutes once it is longer than one."""
    rounded = ms - ms % MINUTE_MS if ms > MINUTE_MS else ms
    return format_duration(timedelta(milliseconds=rounded))
