"""Digests: when one is due, and what it says.

A digest belongs to one local date and tells about the civil day before it. Values in, values
out: who reads the store and who keeps the claim is the scheduler's business.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from pulsebot.civil import instant, local_time
from pulsebot.message import Message, Note, Part, Table, Text
from pulsebot.phrases import change, plural, zone_name

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MAX_ROWS = 25
LATE_MS = 6 * 3_600_000
"""A digest that was missed is still news for this long, also when its date has ended."""


@dataclass(frozen=True, slots=True)
class ServiceDay:
    """One service's yesterday, with the day before it to compare."""

    service: str
    triggers: int
    triggers_before: int
    crashes: int
    crashes_before: int


@dataclass(frozen=True, slots=True)
class Day:
    """All that a digest tells of: `unstable` and `troubled` are rows ready to show.

    `unstable` rows are (service, crashes, restarts, changes); `troubled` rows are
    (service, state, for how long).
    """

    date: date
    zone: ZoneInfo
    services: tuple[ServiceDay, ...]
    unstable: tuple[tuple[str, int, int, int], ...]
    troubled: tuple[tuple[str, str, str], ...]
    well: int


class Due(NamedTuple):
    """The local date whose digest is due, and since when (ms)."""

    date: date
    since_ms: int


def due(now_ms: int, at: time, zone: ZoneInfo, days: Collection[str]) -> Due | None:
    """Return which digest is due at `now_ms`, or None.

    A digest is due from its local time until the end of that local date, and for `LATE_MS` at
    the least: a bot that was down over midnight still sends it. A time that the clocks skip is
    due right after the gap; one that they repeat is due the first time.
    """
    today = local_time(now_ms, zone).date()
    for day in (today, today - timedelta(days=1)):
        since_ms = instant(datetime.combine(day, at), zone)
        still = day == today or now_ms - since_ms < LATE_MS
        if WEEKDAYS[day.weekday()] in days and since_ms <= now_ms and still:
            return Due(day, since_ms)
    return None


def render(name: str, day: Day, include: Collection[str]) -> Message:
    """Say what happened on a day, in the sections that `include` names."""
    parts: list[Part] = []
    if "triggers" in include or "crashes" in include:
        parts.extend(_services(day))
    if "unstable" in include:
        parts.extend(_unstable(day))
    if "status" in include:
        parts.extend(_status(day))
    before = day.date - timedelta(days=1)
    zone = zone_name(day.zone.key)
    parts.append(Note(f"{day.date:%A %d %b %Y} in {zone}, against {before:%A}. Digest: {name}."))
    crashed = sum(s.crashes for s in day.services)
    triggered = sum(s.triggers for s in day.services)
    title = (
        f"{day.date:%A}: {plural(triggered, 'trigger')}, {plural(crashed, 'crash', 'crashes')}"
        f" in {plural(len(day.services), 'service')}"
    )
    return Message(title, tuple(parts))


def _services(day: Day) -> list[Part]:
    if not day.services:
        return [Text("Nothing was triggered and nothing crashed.")]
    ranked = sorted(day.services, key=lambda s: (-s.crashes, -s.triggers, s.service))
    rows = tuple(
        (
            s.service,
            f"{s.triggers:,}",
            change(s.triggers, s.triggers_before),
            f"{s.crashes:,}",
            change(s.crashes, s.crashes_before),
        )
        for s in ranked[:MAX_ROWS]
    )
    header = ("service", "triggers", "change", "crashes", "change")
    return [Table(header, rows), *_more(len(ranked))]


def _unstable(day: Day) -> list[Part]:
    if not day.unstable:
        return [Text("No service was unstable.")]
    rows = tuple(
        (name, f"{crashed:,}", f"{restarted:,}", f"{changed:,}")
        for name, crashed, restarted, changed in day.unstable[:MAX_ROWS]
    )
    return [
        Table(("unstable", "crashes", "restarts", "status changes"), rows),
        *_more(len(day.unstable)),
    ]


def _status(day: Day) -> list[Part]:
    well = f"{plural(day.well, 'service')} up"
    if not day.troubled:
        return [Text(f"Now: {well}, none in trouble.")]
    return [
        Table(("in trouble now", "state", "for"), day.troubled[:MAX_ROWS]),
        *_more(len(day.troubled)),
        Text(f"{well}."),
    ]


def _more(count: int) -> list[Part]:
    return [Text(f"… and {count - MAX_ROWS} more")] if count > MAX_ROWS else []
