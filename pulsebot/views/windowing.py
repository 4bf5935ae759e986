"""Windowing: which windows of event time a moment belongs to.

Days, weeks and months are those of a zone's calendar, so a day has 23 to 25 hours. Shorter
windows that divide a day count from its first instant; any others from the epoch, as in
ksqlDB. Values in, values out; times are milliseconds since the epoch, ranges half-open.
"""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from pulsebot.civil import civil_day, local_midnight, local_time
from pulsebot.views.statement import Span, WindowClause
from pulsebot.window import DAY_MS, HOUR_MS, MINUTE_MS, QUARTER_MS

UNIT_MS = {"MILLISECOND": 1, "SECOND": 1000, "MINUTE": MINUTE_MS, "HOUR": HOUR_MS, "DAY": DAY_MS}

MAX_OVERLAP = 300
"""Hopping windows that one moment may belong to: each event changes as many rows."""

_LONGEST_MS = 36_600 * DAY_MS

Range = tuple[int, int]
Assign = Callable[[int], Sequence[Range]]

_FIRST_MONDAY = date(1970, 1, 5).toordinal()
_CACHED = 4096


def length_ms(span: Span) -> int:
    """Return a nominal length: a day of 24 hours, a month of 31 days."""
    days = {"WEEK": 7, "MONTH": 31}.get(span.unit)
    return span.count * (days * DAY_MS if days else UNIT_MS[span.unit])


def overlap(clause: WindowClause) -> int:
    """Return how many windows a moment belongs to, at the most; days count 24 hours."""
    return -(-length_ms(clause.size) // length_ms(clause.advance or clause.size))


def fault(clause: WindowClause) -> str | None:
    """Return why these windows cannot be kept, None where they can."""
    size, advance = clause.size, clause.advance
    for span in (size, advance, clause.grace, clause.retention):
        if span and length_ms(span) > _LONGEST_MS:
            return f"{span} is too long; a window may have 100 years"
    if advance and length_ms(advance) > length_ms(size):
        return f"ADVANCE BY {advance} leaves gaps between windows of {size}; at most SIZE"
    if (count := overlap(clause)) > MAX_OVERLAP:
        least = -(-length_ms(size) // (MAX_OVERLAP * 1000))
        return f"a moment would be in {count:,} windows; ADVANCE BY {least} SECONDS or more"
    return None


def is_civil(span: Span) -> bool:
    """Tell whether a length is one of the calendar's."""
    return span.unit in {"DAY", "WEEK", "MONTH"}


def in_whole_minutes(clause: WindowClause) -> bool:
    """Tell whether windows begin and end on whole minutes only."""
    return all(length_ms(span) % MINUTE_MS == 0 for span in (clause.size, clause.advance) if span)


def assignment(clause: WindowClause, zone: ZoneInfo) -> Assign:
    """Return what gives a moment's windows, of a clause that is no SESSION."""
    if clause.advance is None:
        return _cached(_tumbling(clause.size, zone), clause)
    return _cached(_hopping(clause.size, clause.advance, zone), clause)


def _cached(assign: Assign, clause: WindowClause) -> Assign:
    """Remember answers by quarter of an hour or by minute, where no window begins between two."""
    spans = (clause.size, clause.advance or clause.size)
    lengths = [length_ms(span) for span in spans]
    grain_ms = next((g for g in (QUARTER_MS, MINUTE_MS) if not any(n % g for n in lengths)), None)
    if grain_ms is None:
        return assign
    known: dict[int, Sequence[Range]] = {}

    def find(time_ms: int) -> Sequence[Range]:
        grain = time_ms // grain_ms
        found = known.get(grain)
        if found is None:
            if len(known) >= _CACHED:
                known.clear()
            found = known[grain] = assign(grain * grain_ms)
        return found

    return find


def _tumbling(size: Span, zone: ZoneInfo) -> Assign:
    if is_civil(size):
        return lambda time_ms: (_civil(time_ms, size, zone),)
    return lambda time_ms: (_clock(time_ms, length_ms(size), zone),)


def _hopping(size: Span, advance: Span, zone: ZoneInfo) -> Assign:
    start_of = _tumbling(advance, zone)

    def find(time_ms: int) -> Sequence[Range]:
        ranges: list[Range] = []
        [(start_ms, _)] = start_of(time_ms)
        while (end_ms := _end(start_ms, size, zone)) > time_ms:
            ranges.append((start_ms, end_ms))
            [(start_ms, _)] = start_of(start_ms - 1)
        return tuple(reversed(ranges))

    return find


def _clock(time_ms: int, size_ms: int, zone: ZoneInfo) -> Range:
    """Return the window of a fixed length; the last one of a changed day is cut or longer."""
    if DAY_MS % size_ms:
        start_ms = time_ms - time_ms % size_ms
        return start_ms, start_ms + size_ms
    day_ms, next_ms = civil_day(time_ms, zone)
    start_ms = time_ms - (time_ms - day_ms) % size_ms
    return start_ms, min(start_ms + size_ms, next_ms)


def _civil(time_ms: int, size: Span, zone: ZoneInfo) -> Range:
    day_ms, next_ms = civil_day(time_ms, zone)
    if (size.unit, size.count) == ("DAY", 1):
        return day_ms, next_ms
    # The middle of a civil day lies in its own date, also where its midnight was repeated.
    first = _first_date(local_time((day_ms + next_ms) // 2, zone).date(), size)
    return local_midnight(first, zone), local_midnight(_later(first, size), zone)


def _first_date(day: date, size: Span) -> date:
    """Return the first date of the span that a date lies in; weeks begin on Monday."""
    if size.unit == "MONTH":
        months = (day.year * 12 + day.month - 1) // size.count * size.count
        return date(months // 12, months % 12 + 1, 1)
    days = size.count * (7 if size.unit == "WEEK" else 1)
    origin = _FIRST_MONDAY if size.unit == "WEEK" else date(1970, 1, 1).toordinal()
    ordinal = day.toordinal()
    return date.fromordinal(ordinal - (ordinal - origin) % days)


def _later(day: date, size: Span) -> date:
    if size.unit == "MONTH":
        months = day.year * 12 + day.month - 1 + size.count
        return date(months // 12, months % 12 + 1, 1)
    return day + timedelta(days=size.count * (7 if size.unit == "WEEK" else 1))


def _end(start_ms: int, size: Span, zone: ZoneInfo) -> int:
    """Return where a window of this size ends that starts at a moment."""
    if not is_civil(size):
        return start_ms + length_ms(size)
    local = local_time(start_ms, zone)
    since_midnight_ms = start_ms - local_midnight(local.date(), zone)
    return local_midnight(_later(local.date(), size), zone) + max(since_midnight_ms, 0)
