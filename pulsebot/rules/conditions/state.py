"""Condition `state`: an instance is unwell several times in a row, and later well again."""

from typing import Annotated, Literal

from msgspec import Struct
from pydantic import Field

from pulsebot.event import Status
from pulsebot.language import KeyField, Many, Span
from pulsebot.rules.conditions.base import Condition, Step, Verdict
from pulsebot.rules.facts import Facts

DAY_MS = 86_400_000
Times = Annotated[int, Field(ge=1, le=1000)]


class Streak(Struct):
    """How many statuses in a row were bad, or good since it fires; `newest_ms` is event time."""

    newest_ms: int
    fails: int = 0
    oks: int = 0
    firing: bool = False


class BadState(Condition[Streak]):
    """A state of `bad`, `fail_after` times in a row; well again after `ok_after` in a row.

    A status older than the newest one seen does not count. `unknown` says nothing, neither
    bad nor good, unless `bad` lists it.
    """

    state_type = Streak
    kinds = frozenset({"status"})

    type: Literal["state"]
    bad: Many[Literal["up", "degraded", "down", "starting", "stopped", "unknown"]] = (
        "down",
        "degraded",
    )
    fail_after: Times = 1
    ok_after: Times = 1
    by: Many[KeyField] = ("service", "instance")
    forget_after: Span = DAY_MS
    """An instance that sends no status for this long is forgotten (and its alert resolved)."""

    def key_fields(self) -> tuple[str, ...]:
        """Return `by`."""
        return self.by

    def observe(self, state: Streak | None, facts: Facts, now_ms: int) -> Step[Streak]:  # noqa: ARG002 - the contract of all conditions
        """Count the status into its streak."""
        event = facts.event
        streak = state or Streak(facts.time_ms - 1)
        if not isinstance(event, Status) or facts.time_ms <= streak.newest_ms:
            return self._step(streak, "an older status than the newest one", 0)
        streak.newest_ms = facts.time_ms
        said = event.data.state.value
        bad = said in self.bad
        if bad:
            streak.fails, streak.oks = streak.fails + 1, 0
        elif said != "unknown":
            streak.fails, streak.oks = 0, streak.oks + 1
        streak.firing = (
            streak.oks < self.ok_after if streak.firing else streak.fails >= self.fail_after
        )
        return self._step(streak, self._reason(streak, said), int(bad))

    def elapse(self, state: Streak, now_ms: int) -> Step[Streak]:
        """Forget an instance that is silent for long."""
        if self._forget_at(state) > now_ms:
            return self._step(state, "", 0)
        return Step(None, Verdict.CLEAR, "no status any more")

    def _step(self, streak: Streak, reason: str, count: int) -> Step[Streak]:
        verdict = Verdict.CLEAR
        if streak.firing:
            verdict = Verdict.FIRING
        elif streak.fails:
            verdict = Verdict.PENDING
        return Step(streak, verdict, reason, self._forget_at(streak), count)

    def _reason(self, streak: Streak, said: str) -> str:
        if streak.fails:
            return f"{said}, {streak.fails} in a row (fires at {self.fail_after})"
        return f"{said}, {streak.oks} in a row (resolves at {self.ok_after})"

    def _forget_at(self, streak: Streak) -> int:
        return streak.newest_ms + self.forget_after
