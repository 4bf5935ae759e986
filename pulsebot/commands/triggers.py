"""`/triggers`: how often one service was triggered."""

from bisect import bisect_right
from datetime import timedelta

from pulsebot.civil import instant, local_time
from pulsebot.commands.base import Question, find_service, small_print
from pulsebot.errors import InvalidInput
from pulsebot.message import Fields, Message
from pulsebot.phrases import change, plural, sparkline
from pulsebot.store import counts
from pulsebot.store.database import Connection
from pulsebot.timespan import Timespan
from pulsebot.window import DAY_MS, days, hours

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
    start_ms, end_ms = question.buckets(span)
    series = counts.series(connection, "trigger", service, start_ms, end_ms)
    total = sum(count for _, count in series)
    facts = [
        ("triggers", f"{total:,}"),
        _before(connection, question, service, span, total),
        *_bars(series, start_ms, end_ms, question),
    ]
    title = f"{service}: {plural(total, 'trigger')} {span.label}"
    return Message(title, (Fields(tuple(facts)), *small_print(question, span)))


def _before(
    connection: Connection, question: Question, service: str, span: Timespan, total: int
) -> tuple[str, str]:
    """Compare with the same hours on the wall, as many days earlier as the window has."""
    # By the clock on the wall a civil day of 25 hours is one day; by the other `7d` is seven.
    start, end = (local_time(ms, question.zone) for ms in (span.start_ms, span.end_ms))
    wall = end.replace(tzinfo=None) - start.replace(tzinfo=None)
    shorter = min(wall, timedelta(milliseconds=span.end_ms - span.start_ms))
    back = timedelta(days=max(1, -(-shorter // timedelta(days=1))))
    start_ms, end_ms = (
        instant(local_time(ms, question.zone).replace(tzinfo=None) - back, question.zone)
        for ms in question.buckets(span)
    )
    before = counts.total(connection, "trigger", service, start_ms, end_ms)
    when = "the day before" if back.days == 1 else f"{back.days} days before"
    return when, f"{before:,} ({change(total, before)})"


def _bars(
    series: list[tuple[int, int]], start_ms: int, end_ms: int, question: Question
) -> list[tuple[str, str]]:
    """Draw the window by local hours or days; nothing where all is 0 or there is one bar."""
    by_hour = end_ms - start_ms <= BY_HOUR_MS
    pieces = (hours if by_hour else days)(start_ms, end_ms, question.zone)[-MAX_BARS:]
    if len(pieces) < 2:  # noqa: PLR2004 - one bar shows nothing
        return []
    starts = [piece.start_ms for piece in pieces]
    sums = [0] * len(starts)
    for at_ms, count in series:
        if at_ms >= starts[0]:
            sums[bisect_right(starts, at_ms) - 1] += count
    bars = sparkline(sums)
    return [("by hour" if by_hour else "by day", bars)] if bars else []
