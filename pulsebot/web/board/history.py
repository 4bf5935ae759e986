"""A service through time: triggers by hour, day and week, and its states on a line."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from pulsebot.civil import local_midnight, local_time
from pulsebot.phrases import moment
from pulsebot.store import counts, statuses
from pulsebot.store.database import Connection
from pulsebot.store.statuses import Change, Instance
from pulsebot.web.board.charts import Bar, Segment
from pulsebot.web.board.spans import Spans
from pulsebot.window import HOUR_MS

DAYS = 30
WEEKS = 12
REACHES = (1, 6, 24)
"""Hours that a timeline may show."""

CHANGES = 500
"""Changes of status on one timeline; older ones are in the store."""


@dataclass(frozen=True, slots=True)
class Chart:
    """One bar chart: what it counts by, over what, its bars and their sum."""

    by: str
    over: str
    bars: tuple[Bar, ...]

    @property
    def total(self) -> float:
        """Return the sum of all bars."""
        return sum(bar.value for bar in self.bars)

    @property
    def told(self) -> str:
        """Say the chart in a sentence, for those who do not see it."""
        top = max(self.bars, key=lambda bar: bar.value)
        most = f"; most in {top.label}: {top.value:,}" if top.value else ""
        return f"Triggers by {self.by}, {self.over}: {self.total:,}{most}"


def charts(connection: Connection, service: str, spans: Spans, now_ms: int) -> list[Chart]:
    """Return the triggers of a service by hour, by day and by week, each up to now."""
    hours = [(f"{local_time(ms, spans.zone):%H:%M}", ms) for ms in spans.hours_ms]
    today = local_time(now_ms, spans.zone).date()
    days = [today - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
    monday = today - timedelta(days=today.weekday())
    weeks = [monday - timedelta(weeks=back) for back in range(WEEKS - 1, -1, -1)]
    starts = {
        ("hour", f"last {len(hours)} hours"): hours,
        ("day", f"last {DAYS} days"): [
            (f"{d.day} {d:%b}", local_midnight(d, spans.zone)) for d in days
        ],
        ("week", f"last {WEEKS} weeks, from Monday"): [
            (f"week of {d.day} {d:%b}", local_midnight(d, spans.zone)) for d in weeks
        ],
    }
    return [
        Chart(by, over, _bars(connection, service, pieces, now_ms))
        for (by, over), pieces in starts.items()
    ]


def _bars(
    connection: Connection, service: str, pieces: Sequence[tuple[str, int]], now_ms: int
) -> tuple[Bar, ...]:
    # A clock that runs ahead of ours, within what is accepted, belongs to the last bar.
    edges = [*(start_ms for _, start_ms in pieces), now_ms + HOUR_MS]
    values = counts.pieces(connection, "trigger", service, edges)
    return tuple(
        Bar(label, value, running=i == len(values) - 1)
        for i, ((label, _), value) in enumerate(zip(pieces, values, strict=True))
    )


@dataclass(frozen=True, slots=True)
class Lane:
    """The states of one instance."""

    instance: str
    state: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """The states of a service's instances over its last hours, up to now."""

    hours: int
    lanes: tuple[Lane, ...]


def timeline(
    connection: Connection, instances: Sequence[Instance], spans: Spans, now_ms: int
) -> Timeline:
    """Return a lane for each of these instances of one service.

    It reaches back a day, or no further than a service that has just come needs.
    """
    if not instances:
        return Timeline(REACHES[-1], ())
    service = instances[0].service
    changes = statuses.changes(connection, service, 0, now_ms + HOUR_MS, CHANGES)
    first_ms = min((change.at_ms for change in changes), default=0)
    hours = next((h for h in REACHES if now_ms - h * HOUR_MS <= first_ms), REACHES[-1])
    by_instance: dict[str, list[Change]] = {}
    for change in reversed(changes):
        by_instance.setdefault(change.instance, []).append(change)
    start_ms = now_ms - hours * HOUR_MS
    lanes = (
        Lane(
            instance.instance or service,
            instance.state,
            tuple(_segments(by_instance.get(instance.instance, ()), start_ms, now_ms, spans)),
        )
        for instance in instances
    )
    return Timeline(hours, tuple(lanes))


def _segments(
    changes: Sequence[Change], start_ms: int, now_ms: int, spans: Spans
) -> Iterable[Segment]:
    ends = [*(change.at_ms for change in changes[1:]), now_ms]
    for change, end_ms in zip(changes, ends, strict=False):
        first, last = max(change.at_ms, start_ms), min(end_ms, now_ms)
        if last > start_ms and last > first:
            until = "now" if end_ms == now_ms else moment(end_ms, spans.zone)
            told = f"{change.state} {moment(change.at_ms, spans.zone)} to {until}"
            yield Segment(
                (first - start_ms) / (now_ms - start_ms),
                (last - start_ms) / (now_ms - start_ms),
                change.state,
                f"{told}: {change.reason}" if change.reason else told,
            )
