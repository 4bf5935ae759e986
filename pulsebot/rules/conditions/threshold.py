"""Condition `threshold`: at least `count` events within a length of event time.

It fires when any window of that length holds enough events, whatever order they arrive in,
and resolves when the newest window no longer does.
"""

from bisect import bisect_left, bisect_right
from datetime import timedelta
from typing import Annotated, Literal

from msgspec import Struct
from pydantic import Field

from pulsebot.language import KeyField, Many, Span
from pulsebot.rules.conditions.base import Condition, Step, Verdict, counted
from pulsebot.rules.facts import Facts
from pulsebot.timespan import format_duration

GRACE_MS = 3_600_000
"""A late event still finds neighbours that are this much older than the newest one."""

MIN_KEPT = 64
"""Distinct times that are kept of a key at least, however small the threshold."""

MAX_WEIGHT = 10**12
"""Events that one millisecond can stand for: what one event's `count` may say at most."""

NEVER = -(2**62)


class Recent(Struct):
    """The newest events of one key: distinct times in order, and how many events at each.

    `start` and `total` describe the newest window: the index of its first entry and the sum
    of its weights. Up to `told_ms` an episode was told and is over: what arrives later from
    that time is not told again.
    """

    times: list[int]
    weights: list[int]
    kind: str
    start: int = 0
    total: int = 0
    told_ms: int = NEVER
    firing_until: int | None = None


class Threshold(Condition[Recent]):
    """At least `count` events `within` a length of time, by key."""

    state_type = Recent

    type: Literal["threshold"]
    count: Annotated[int, Field(ge=1, le=10_000)]
    within: Span
    by: Many[KeyField] = ("service",)

    def key_fields(self) -> tuple[str, ...]:
        """Return `by`."""
        return self.by

    def observe(self, state: Recent | None, facts: Facts, now_ms: int) -> Step[Recent]:
        """Count the event in event time; a late one is judged with its neighbours."""
        recent = state or Recent([], [], facts.event.kind.value)
        time_ms, weight = facts.time_ms, facts.weight
        if time_ms <= recent.told_ms:
            weight = 0
        else:
            self._insert(recent, time_ms, weight)
        if recent.firing_until is not None:
            return Step(recent, Verdict.FIRING, "", recent.firing_until, weight)
        found = self._most_around(recent, time_ms)
        if found < self.count:
            return Step(recent, Verdict.CLEAR, "", self._forget_at(recent))
        recent.firing_until = max(self._ends_at(recent), now_ms)
        reason = self._reason(found, recent)
        return Step(recent, Verdict.FIRING, reason, recent.firing_until, found)

    def elapse(self, state: Recent, now_ms: int) -> Step[Recent]:
        """Resolve when the newest window has run dry; forget a key that is quiet for long."""
        if state.firing_until is not None:
            state.firing_until = self._ends_at(state)
            if state.firing_until > now_ms:
                return Step(state, Verdict.FIRING, "", state.firing_until)
            state.firing_until = None
            state.told_ms = now_ms - self.within
            self._prune(state, bisect_right(state.times, state.told_ms))
            left = sum(state.weights)
            return Step(state, Verdict.CLEAR, self._reason(left, state), self._forget_at(state))
        if self._forget_at(state) <= now_ms:
            return Step(None, Verdict.CLEAR)
        return Step(state, Verdict.CLEAR, "", self._forget_at(state))

    def _reason(self, found: int, recent: Recent) -> str:
        within = format_duration(timedelta(milliseconds=self.within))
        return f"{counted(found, recent.kind)} within {within} (threshold {self.count:,})"

    def _insert(self, recent: Recent, time_ms: int, weight: int) -> None:
        times, weights = recent.times, recent.weights
        if not times or time_ms > times[-1]:  # by far the most common case
            times.append(time_ms)
            weights.append(weight)
            self._slide(recent, weight)
        else:
            self._insert_late(recent, time_ms, weight)
        if times[0] <= self._horizon(recent) or len(times) > max(2 * self.count, MIN_KEPT):
            self._bound(recent)

    def _insert_late(self, recent: Recent, time_ms: int, weight: int) -> None:
        times, weights = recent.times, recent.weights
        index = bisect_left(times, time_ms)
        if times[index] == time_ms:
            weight = min(weight, MAX_WEIGHT - weights[index])
            weights[index] += weight
        else:
            times.insert(index, time_ms)
            weights.insert(index, weight)
            if time_ms <= times[-1] - self.within:
                recent.start += 1
        if index >= recent.start:
            recent.total += weight

    def _slide(self, recent: Recent, weight: int) -> None:
        """Move the newest window on to the newest time, at a cost that does not grow with it."""
        recent.total += weight
        oldest = recent.times[-1] - self.within
        while recent.times[recent.start] <= oldest:
            recent.total -= recent.weights[recent.start]
            recent.start += 1

    def _horizon(self, recent: Recent) -> int:
        return recent.times[-1] - self.within - max(self.within, GRACE_MS)

    def _bound(self, recent: Recent) -> None:
        """Keep what a late event can need.

        While nothing fires, two windows' length of time holds fewer than 2 * count entries,
        so an event that is late by less than a window always finds all its neighbours.
        """
        kept = max(2 * self.count, MIN_KEPT)
        old = bisect_right(recent.times, self._horizon(recent))
        self._prune(recent, max(old, len(recent.times) - kept))

    def _prune(self, recent: Recent, excess: int) -> None:
        recent.total -= sum(recent.weights[recent.start : excess])
        recent.start = max(0, recent.start - excess)
        del recent.times[:excess]
        del recent.weights[:excess]

    def _most_around(self, recent: Recent, time_ms: int) -> int:
        """Return the most events that any window with `time_ms` in it holds.

        Where that is fewer than `count` the number may be less than that.
        """
        times, weights = recent.times, recent.weights
        if not times or time_ms == times[-1]:
            return recent.total
        if time_ms <= recent.told_ms:
            return 0
        first = bisect_right(times, time_ms - self.within)
        if recent.total + sum(weights[first : recent.start]) < self.count:
            return 0  # all that is newer does not suffice: no need to look closer
        end = bisect_left(times, time_ms + self.within)
        most, total, start = 0, 0, first
        for index in range(first, end):
            total += weights[index]
            while times[start] <= times[index] - self.within:
                total -= weights[start]
                start += 1
            if times[index] >= time_ms:
                most = max(most, total)
        return most

    def _ends_at(self, recent: Recent) -> int:
        """Return when fewer than `count` events will be in the window that ends then."""
        total = 0
        for time_ms, weight in zip(reversed(recent.times), reversed(recent.weights), strict=True):
            total += weight
            if total >= self.count:
                return time_ms + self.within
        return NEVER

    def _forget_at(self, recent: Recent) -> int:
        newest = recent.times[-1] if recent.times else recent.told_ms
        return newest + self.within + max(self.within, GRACE_MS)
