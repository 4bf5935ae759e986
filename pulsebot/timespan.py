"""Time as people say it: durations, civil days, and the windows they ask for.

The grammar is small and strict on purpose: general date parsers read "may" as a month and "7d"
as the future. Values in, values out; `now` is always an argument. Times are whole milliseconds
since the epoch; ranges are half-open.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pulsebot.errors import InvalidInput

MAX_TEXT = 100
MAX_SPAN = timedelta(days=400)
"""Longest window: counts are kept this long unless the settings say otherwise."""

EXAMPLES = "today, yesterday, this week, 7d, 1d12h, since 09:00, 2026-11-20, 2026-11-01..2026-11-07"

_UNITS_MS = {
    "ms": 1,
    "s": 1000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
}
_WORDS = {
    "second": "s", "seconds": "s", "sec": "s", "minute": "m", "minutes": "m", "min": "m",
    "hour": "h", "hours": "h", "day": "d", "days": "d", "week": "w", "weeks": "w",
}  # fmt: skip
_NAMED = ("today", "yesterday", "this week", "last week", "this month", "last month")
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DURATION = re.compile(r"(?:\d{1,9}(?:ms|[smhdw]))+")
_DURATION_PART = re.compile(r"(\d{1,9})(ms|[smhdw])")
_SPELLED = re.compile(r"(\d{1,9}) ?([a-z]+)")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_CLOCK = re.compile(r"\d{1,2}:\d{2}")


@dataclass(frozen=True, slots=True)
class Timespan:
    """A half-open range of time as somebody asked for it; `label` is what they said, tidied."""

    start_ms: int
    end_ms: int
    zone: ZoneInfo
    label: str

    def describe(self) -> str:
        """Return the interval with its zone: `23 Nov 00:00 – 14:05 (Europe/Berlin, UTC+01:00)`.

        Both offsets are named where the clocks change in between.
        """
        start, end = _local(self.start_ms, self.zone), _local(self.end_ms, self.zone)
        first = f"{start.day} {start:%b} {start:%H:%M}"
        if start.year != end.year:
            first = f"{start.day} {start:%b %Y} {start:%H:%M}"
        last = f"{end:%H:%M}" if start.date() == end.date() else f"{end.day} {end:%b} {end:%H:%M}"
        if start.year != end.year:
            last = f"{end.day} {end:%b %Y} {end:%H:%M}"
        if self.zone.key == "UTC":
            return f"{first} – {last} (UTC)"
        offsets = dict.fromkeys([_offset(start), _offset(end)])
        return f"{first} – {last} ({self.zone.key}, {' then '.join(offsets)})"


def parse_duration(text: str) -> timedelta:
    """Parse a length of time such as `10m`, `1h30m`, `24h`, `500ms`; raises InvalidInput."""
    folded = text.strip().casefold()
    if len(folded) > MAX_TEXT or not _DURATION.fullmatch(folded):
        raise InvalidInput(
            f"{text[:MAX_TEXT]!r} is not a duration; write it like 90s, 10m or 1h30m"
        )
    try:
        total = sum(int(n) * _UNITS_MS[unit] for n, unit in _DURATION_PART.findall(folded))
        return timedelta(milliseconds=total)
    except OverflowError:
        raise InvalidInput(f"{text!r} is too long a duration") from None


def format_duration(duration: timedelta) -> str:
    """Return a duration as `parse_duration` reads it: `1d12h`, `10m`, `0s`."""
    left = duration // timedelta(milliseconds=1)
    words = []
    for unit in ("d", "h", "m", "s", "ms"):
        count, left = divmod(left, _UNITS_MS[unit])
        if count:
            words.append(f"{count}{unit}")
    return "".join(words) or "0s"


@lru_cache(maxsize=256)
def zone_of(name: str) -> ZoneInfo:
    """Return the zone of an IANA name; raises InvalidInput with the nearest names."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    folded = {known.casefold(): known for known in available_timezones()}
    close = get_close_matches(name.casefold(), folded, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(folded[c] for c in close)}?" if close else ""
    raise InvalidInput(f"there is no time zone {name[:MAX_TEXT]!r}{hint}")


def instant(local: datetime, zone: ZoneInfo) -> int:
    """Return the time of a wall clock reading in a zone.

    A reading that the clocks skip means the moment after the gap; one that they show twice
    means the first time.
    """
    aware = local.replace(tzinfo=zone, fold=0)
    before = aware.astimezone(UTC)
    if before.astimezone(zone).replace(tzinfo=None) != local:
        return _end_of_gap(local, zone)
    return _ms(before)


def local_midnight(day: date, zone: ZoneInfo) -> int:
    """Return the first instant of a civil date, also where its midnight does not exist."""
    return instant(datetime.combine(day, time.min), zone)


def _end_of_gap(local: datetime, zone: ZoneInfo) -> int:
    """Return the moment of the transition that skips a wall clock reading."""
    # fold=0 uses the offset before the gap, fold=1 the one after: the two instants enclose it.
    early = _ms(local.replace(tzinfo=zone, fold=1).astimezone(UTC))
    late = _ms(local.replace(tzinfo=zone, fold=0).astimezone(UTC))
    before = _local(early, zone).utcoffset()
    while late - early > 1:
        middle = (early + late) // 2
        if _local(middle, zone).utcoffset() == before:
            early = middle
        else:
            late = middle
    return late


def parse_timespan(text: str, *, now: int, zone: ZoneInfo) -> Timespan:
    """Return the window that `text` asks for, seen at `now` from `zone`.

    Understands: today, yesterday, this/last week (from Monday), this/last month, a duration
    (exactly that much time, ending now), `since` a clock time, date or weekday, a date, a
    weekday (the latest one), and `A..B` (both days included; open at either end of B).
    Raises InvalidInput that names what was not understood, with examples.
    """
    said = " ".join(text.casefold().split())
    if not said or len(said) > MAX_TEXT:
        raise InvalidInput(f"which window? For example: {EXAMPLES}")
    start_ms, end_ms = _range(said, now, zone)
    if start_ms > now:
        raise InvalidInput(f"{said} lies in the future")
    if end_ms < start_ms or (end_ms == start_ms and ".." in said):
        raise InvalidInput(f"{said} ends before it starts")
    if end_ms - start_ms > MAX_SPAN // timedelta(milliseconds=1):
        raise InvalidInput(f"{said} is longer than {MAX_SPAN.days} days, which is how long I keep")
    return Timespan(start_ms, end_ms, zone, _label(said))


def _range(said: str, now: int, zone: ZoneInfo) -> tuple[int, int]:
    if ".." in said:
        first, _, last = said.partition("..")
        start_ms = _point(first.strip(), now, zone)[0]
        return start_ms, (_point(last.strip(), now, zone)[1] if last.strip() else now)
    if said.startswith("since "):
        return _point(said.removeprefix("since "), now, zone)[0], now
    if (length_ms := _length(said)) is not None:
        return now - length_ms, now
    if said in _NAMED or said in ("week", "month"):
        return _named(said if " " in said or said.endswith("day") else f"this {said}", now, zone)
    start_ms, end_ms = _point(said, now, zone)
    if _CLOCK.fullmatch(said):
        raise _not_understood(said)
    return start_ms, min(end_ms, now) if start_ms <= now else end_ms


def _label(said: str) -> str:
    """Return a window as it reads at the end of a sentence: `7d` as `last 7d`."""
    if said in ("week", "month"):
        return f"this {said}"
    return f"last {said}" if _DURATION.fullmatch(said) else said


def _length(said: str) -> int | None:
    """Return the milliseconds of `7d`, `last 24h`, `past 2 hours`; None for anything else."""
    bare = said.removeprefix("last ").removeprefix("past ")
    if _DURATION.fullmatch(bare):
        length_ms = parse_duration(bare) // timedelta(milliseconds=1)
    elif (spelled := _SPELLED.fullmatch(bare)) and spelled[2] in _WORDS:
        length_ms = int(spelled[1]) * _UNITS_MS[_WORDS[spelled[2]]]
    else:
        return None
    if length_ms == 0:
        raise InvalidInput(f"{said} is no time at all")
    return length_ms


def _named(said: str, now: int, zone: ZoneInfo) -> tuple[int, int]:
    today = _local(now, zone).date()
    monday = today - timedelta(days=today.weekday())
    first = today.replace(day=1)
    last_first = (first - timedelta(days=1)).replace(day=1)
    starts_ends: dict[str, tuple[date, date | None]] = {
        "today": (today, None),
        "yesterday": (today - timedelta(days=1), today),
        "this week": (monday, None),
        "last week": (monday - timedelta(days=7), monday),
        "this month": (first, None),
        "last month": (last_first, first),
    }
    start, end = starts_ends[said]
    return local_midnight(start, zone), local_midnight(end, zone) if end else now


def _point(said: str, now: int, zone: ZoneInfo) -> tuple[int, int]:
    """Return start and end of a date (a whole civil day) or of a moment (both the same)."""
    today = _local(now, zone).date()
    if said in ("today", "yesterday"):
        return _day(today - timedelta(days=said == "yesterday"), zone)
    names = [name for name in _WEEKDAYS if said in (name, name[:3])]
    if names:
        back = (today.weekday() - _WEEKDAYS.index(names[0])) % 7
        return _day(today - timedelta(days=back), zone)
    if _CLOCK.fullmatch(said):
        at_ms = instant(datetime.combine(today, _clock(said)), zone)
        if at_ms > now:
            at_ms = instant(datetime.combine(today - timedelta(days=1), _clock(said)), zone)
        return at_ms, at_ms
    day, _, clock = said.replace("t", " ", 1).partition(" ")
    if _DATE.fullmatch(day) and not clock:
        return _day(_date(day), zone)
    if _DATE.fullmatch(day) and _CLOCK.fullmatch(clock):
        at_ms = instant(datetime.combine(_date(day), _clock(clock)), zone)
        return at_ms, at_ms
    raise _not_understood(said)


def _day(day: date, zone: ZoneInfo) -> tuple[int, int]:
    try:
        start_ms = local_midnight(day, zone)
        end_ms = local_midnight(day + timedelta(days=1), zone)
    except OverflowError:
        raise InvalidInput(f"{day} is out of the range of dates I know") from None
    if start_ms == end_ms:
        raise InvalidInput(f"{day} never was in {zone.key}: the clocks skipped it")
    return start_ms, end_ms


def _date(said: str) -> date:
    try:
        return date.fromisoformat(said)
    except ValueError:
        raise InvalidInput(f"{said} is not a date of the calendar") from None


def _clock(said: str) -> time:
    hours, minutes = map(int, said.split(":"))
    try:
        return time(hours, minutes)
    except ValueError:
        raise InvalidInput(f"{said} is not a time of day") from None


def _not_understood(said: str) -> InvalidInput:
    close = get_close_matches(said, [*_NAMED, *_WEEKDAYS, "since"], n=1, cutoff=0.6)
    hint = f"Did you mean {close[0]}? " if close and close[0] != said else ""
    return InvalidInput(f"I do not understand the window {said!r}. {hint}For example: {EXAMPLES}")


def _local(ms: int, zone: ZoneInfo) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)).astimezone(zone)


def _ms(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def _offset(local: datetime) -> str:
    offset = local.strftime("%z")
    return f"UTC{offset[:3]}:{offset[3:5]}"
