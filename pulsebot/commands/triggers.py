"""`/triggers`: how often one service was triggered."""

from datetime import timedelta

from pulsebot.commands.base import Question, find_service, small_print
from pulsebot.errors import InvalidInput
from pulsebot.message import Fields, Message, Part
from pulsebot.phrases import change, plural, sparkline
from pulsebot.store import counts
from pulsebot.store.database import Connection
from pulsebot.timespan import Timespan
from pulsebot.window import widen

BARS = 24
"""Bars of the sparkline: an hour each for a whole day."""


def triggers(connection: Connection, question: Question) -> Message:
    """Count the triggers of a service in a window (today unless you say).

    An event counts in the minute of its own time; a pre-aggregated one counts as many times
    as it says.
    """
    if not question.words:
        raise InvalidInput("which service? For example: /triggers svc-a today")
    service = find_service(connection, question.words[0])
    span = question.timespan(question.words[1:], "today")
    series = counts.series(connection, "trigger", service, *widen(span.start_ms, span.end_ms))
    total = sum(count for _, count in series)
    parts: list[Part] = [Fields(_comparison(connection, service, span, total))]
    if bars := sparkline(_bars(series, span)):
        parts.append(Fields((("over the window", bars),)))
    title = f"{service}: {plural(total, 'trigger')} {span.label}"
    return Message(title, (*parts, *small_print(question, span)))


def _comparison(
    connection: Connection, service: str, span: Timespan, total: int
) -> tuple[tuple[str, str], ...]:
    start_ms, end_ms = widen(span.start_ms, span.end_ms)
    length_ms = max(end_ms - start_ms, timedelta(days=1) // timedelta(milliseconds=1))
    before = counts.total(connection, "trigger", service, start_ms - length_ms, end_ms - length_ms)
    return (
        ("triggers", f"{total:,}"),
        ("same time before", f"{before:,} ({change(total, before)})"),
    )


def _bars(series: list[tuple[int, int]], span: Timespan) -> list[int]:
    start_ms, end_ms = widen(span.start_ms, span.end_ms)
    width_ms = max(1, -(-(end_ms - start_ms) // BARS))
    bars = [0] * BARS
    for at_ms, count in series:
        bars[(at_ms - start_ms) // width_ms] += count
    return bars
