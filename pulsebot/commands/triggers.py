"""`/triggers`: how often one service was triggered."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from pulsebot.civil import instant, local_time
from pulsebot.commands.base import Question, find_service, small_print
from pulsebot.errors import InvalidInput
from pulsebot.message import Fields, Message
from pulsebot.phrases import change, plural, sparkline
from pulsebot.store import counts
from pulsebot.store.database import Connection
from pulsebot.timespan import Timespan
from pulsebot.window import DAY_MS, Window, days, hours

BY_HOUR_MS = 2 * DAY_MS
"""Windows up to this long are drawn by hour, longer ones by day."""

MAX_BARS = 62


def triggers(connection: Connection, question: Question) -> Message:
    """Count the triggers of a service in a window (today unless you say).

    An event counts in the minute of its own time; a pre-aggregated one counts as many times
    as it says.
    """
    if not question.words:
        raise InvalidInput("which service? For example: /triggers svc-a today")
    service = find_service(connection, question.words[0])
    span = question.timespan(question.words[1:], "today")
    found = triggered(connection, question, service, span)
    when = "the day before" if found.days == 1 else f"{found.days} days before"
    facts = [
        ("triggers", f"{found.total:,}"),
        (when, f"{found.before:,} ({change(found.total, found.before)})"),
        *_bars(found),
    ]
    title = f"{service}: {plural(found.total, 'trigger')} {span.label}"
    return Message(title, (Fields(tuple(facts)), *small_print(question, span)))


@dataclass(frozen=True, slots=True)
class Triggered:
    """How often a service was triggered in a window, and in the same one `days` before.

    `pieces` are the local hours or days of the window in their order, each with its count.
    """

    total: int
    before: int
    days: int
    by: Literal["hour", "day"]
    pieces: tuple[tuple[Window, int], ...]


def triggered(
    connection: Connection, question: Question, service: str, span: Timespan
) -> Triggered:
    """Count the triggers of a service over the whole buckets of a window."""
    start_ms, end_ms = question.buckets(span)
    series = counts.series(connection, "trigger", service, start_ms, end_ms)
    by: Literal["hour", "day"] = "hour" if end_ms - start_ms <= BY_HOUR_MS else "day"
    windows = (hours if by == "hour" else days)(start_ms, end_ms, question.zone)
    before, back = _before(connection, question, service, span)
    total, sums = sum(count for _, count in series), _sums(windows, series)
    return Triggered(total, before, back, by, tuple(zip(windows, sums, strict=True)))


def _before(
    connection: Connection, question: Question, service: str, span: Timespan
) -> tuple[int, int]:
    """Count the same hours on the wall, as many days earlier as the window has; and how many."""
    # By the clock on the wall a civil day of 25 hours is one day; by the other `7d` is seven.
    start, end = (local_time(ms, question.zone) for ms in (span.start_ms, span.end_ms))
    wall = end.replace(tzinfo=None) - start.replace(tzinfo=None)
    shorter = min(wall, timedelta(milliseconds=span.end_ms - span.start_ms))
    back = timedelta(days=max(1, -(-shorter // timedelta(days=1))))
    start_ms, end_ms = (
        instant(local_time(ms, question.zone).replace(tzinfo=None) - back, question.zone)
        for ms in question.buckets(span)
    )
    return counts.total(connection, "trigger", service, start_ms, end_ms), back.days


def _sums(windows: Sequence[Window], series: Iterable[tuple[int, int]]) -> list[int]:
    """Add up the buckets of each window; the windows follow each other without a gap."""
    starts = [window.start_ms for window in windows]
    sums = [0] * len(starts)
    for at_ms, count in series:
        sums[bisect_right(starts, at_ms) - 1] += count
    return sums


def _bars(found: Triggered) -> list[tuple[str, str]]:
    """Draw the window by local hours or days; nothing where all is 0 or there is one bar."""
    if len(found.pieces) < 2:  # noqa: PLR2004 - one bar shows nothing
        return []
    bars = sparkline([count for _, count in found.pieces[-MAX_BARS:]])
    return [(f"by {found.by}", bars)] if bars else []
