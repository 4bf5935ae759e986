"""Windows of event time, and the buckets they are summed from.

Every civil day of every zone is an exact sum of 15-minute buckets, because offsets are
multiples of 15 minutes (since 1972 no zone has had another). Values in, values out; times are
milliseconds since the epoch, ranges half-open.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from pulsebot.civil import civil_day, local_time

MINUTE_MS = 60_000
"""Width of a recent bucket."""

QUARTER_MS = 15 * MINUTE_MS
"""Width of an older bucket."""

DAY_MS = 86_400_000
"""A day that has 24 hours; civil days have 23 to 25."""

HOUR_MS = 60 * MINUTE_MS


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """A range of event time, and the key that tells it from others."""

    key: str
    start_ms: int
    end_ms: int


def bucket_start(time_ms: int, width_ms: int) -> int:
    """Return the start of the bucket that a time lies in."""
    return time_ms - time_ms % width_ms


def widen(
    start_ms: int, end_ms: int, width_ms: int = MINUTE_MS, *, fine_since_ms: int | None = None
) -> tuple[int, int]:
    """Return the smallest range of whole buckets that holds [start_ms, end_ms).

    With `fine_since_ms` (the start of the oldest bucket of `width_ms`, a multiple of
    QUARTER_MS), an end that lies before it is put on the edge of a 15-minute bucket instead.
    """
    line_ms = start_ms if fine_since_ms is None else fine_since_ms
    first_ms = width_ms if start_ms >= line_ms else QUARTER_MS
    last_ms = width_ms if end_ms >= line_ms else QUARTER_MS
    return bucket_start(start_ms, first_ms), end_ms + -end_ms % last_ms


def days(start_ms: int, end_ms: int, zone: ZoneInfo) -> list[Window]:
    """Split a range at the zone's midnights, in order; the key is the date, `2026-11-23`.

    A day has 23 to 25 hours (more or less where a zone moved); a skipped date is left out.
    The first and the last may be parts of a day.
    """
    windows = []
    while start_ms < end_ms:
        day_ms, after_ms = civil_day(start_ms, zone)
        key = local_time(day_ms, zone).date().isoformat()
        windows.append(Window(key, start_ms, min(after_ms, end_ms)))
        start_ms = after_ms
    return windows


def hours(start_ms: int, end_ms: int, zone: ZoneInfo) -> list[Window]:
    """Split a range at the zone's full hours, in order; the key is `2026-10-25T02:00+01:00`.

    An hour that the clocks repeat comes twice, with its two offsets; one that they skip does
    not come. The first and the last may be parts of an hour.
    """
    edges = [*_full_hours(start_ms, end_ms, zone), end_ms]
    return [
        Window(local_time(a, zone).isoformat(timespec="minutes"), a, b) for a, b in pairwise(edges)
    ]


def _full_hours(start_ms: int, end_ms: int, zone: ZoneInfo) -> Iterator[int]:
    """Yield the start, then each moment before the end at which a local hour begins."""
    at_ms = start_ms
    while at_ms < end_ms:
        yield at_ms
        offset = local_time(at_ms, zone).utcoffset() or timedelta(0)
        offset_ms = offset // timedelta(milliseconds=1)
        at_ms += HOUR_MS - (at_ms + offset_ms) % HOUR_MS
