"""Time as people say it: durations, and the windows they ask for.

The grammar is small and strict on purpose: general date parsers read "may" as a month and "7d"
as the future. Values in, values out; `now` is always an argument. Times are whole milliseconds
since the epoch; ranges are half-open.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from difflib import get_close_matches
from zoneinfo import ZoneInfo

from pulsebot.civil import EPOCH, instant, local_midnight, local_time
from pulsebot.errors import InvalidInput

MAX_TEXT = 100
MAX_SPAN = timedelta(days=400)
"""Longest window: counts are kept this long unless the settings say otherwise."""

INSTANTS = "14:00, yesterday 14:00, 2026-11-20 09:30, 2h ago"
EXAMPLES = "today, last 7d, since 09:00, 2026-11-01..2026-11-07"

_MS = timedelta(milliseconds=1)
_DAY = timedelta(days=1)
_UNITS_MS = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_WORDS = {
    "second": "s", "seconds": "s", "sec": "s", "minute": "m", "minutes": "m", "min": "m",
    "hour": "h", "hours": "h", "day": "d", "days": "d", "week": "w", "weeks": "w",
}  # fmt: skip
_NAMED = ("today", "yesterday", "this week", "last week", "this month", "last month")
_SHORT = {"week": "this week", "month": "this month"}
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DURATION = re.compile("(?=.)" + "".join(f"(?:([0-9]{{1,9}}){unit})?" for unit in _UNITS_MS))
_SPELLED = re.compile(r"(?:[0-9]{1,9} ?[a-z]+ ?)+")
_SPELLED_PART = re.compile(r"([0-9]{1,9}) ?([a-z]+)")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CLOCK = re.compile(r"[0-9]{1,2}:[0-9]{2}")
_ISO_T = re.compile("(?<=[0-9])t(?=[0-9])")


@dataclass(frozen=True, slots=True)
class Timespan:
    """A half-open range of time as somebody asked for it.

    `label` is what they said, tidied to stand at the end of a sentence; `running` says that
    the range ends at the moment of asking.
    """

    start_ms: int
    end_ms: int
    zone: ZoneInfo
    label: str
    running: bool = False

    def describe(self) -> str:
        """Return the interval to the minute: `23 Nov 00:00 – now 14:05 (Europe/Berlin, UTC+01:00)`.

        The year is left out only where it is that of asking. Both offsets are named, in their
        order, where the clocks differ between start and end.
        """
        start, end = local_time(self.start_ms, self.zone), local_time(self.end_ms, self.zone)
        same_day, years = start.date() == end.date(), start.year != end.year
        first = _reading(start, year=years or (same_day and not self.running))
        last = f"{end:%H:%M}" if same_day else _reading(end, year=years or not self.running)
        offsets = " then ".join(dict.fromkeys((_offset(start), _offset(end))))
        place = "UTC" if self.zone.key in {"UTC", "Etc/UTC"} else f"{self.zone.key}, {offsets}"
        return f"{first} – {'now ' if self.running else ''}{last} ({place})"


def parse_duration(text: str) -> timedelta:
    """Parse a length of time such as `10m`, `1h30m`, `24h`, `500ms`; raises InvalidInput.

    Units are w, d (24 hours), h, m, s and ms, each at most once, the largest first.
    """
    folded = text[: MAX_TEXT + 1].strip().casefold()
    parts = _DURATION.fullmatch(folded)
    if len(text) > MAX_TEXT or not parts:
        raise InvalidInput(
            f"{text[:MAX_TEXT]!r} is not a duration; write it like 90s, 10m or 1h30m"
        )
    counted = zip(parts.groups(default="0"), _UNITS_MS.values(), strict=True)
    try:
        return timedelta(milliseconds=sum(int(count) * unit for count, unit in counted))
    except OverflowError:
        raise InvalidInput(f"{text!r} is too long a duration; days and hours will do") from None


def format_duration(duration: timedelta) -> str:
    """Return a duration as `parse_duration` reads it: `1d12h`, `10m`, `0s`.

    Less than a millisecond is left out. A negative one gets a minus sign, for people only.
    """
    left = abs(duration) // _MS
    words = []
    for unit in ("d", "h", "m", "s", "ms"):
        count, left = divmod(left, _UNITS_MS[unit])
        if count:
            words.append(f"{count}{unit}")
    sign = "-" if words and duration < timedelta(0) else ""
    return sign + ("".join(words) or "0s")


def parse_timespan(text: str, *, now: int, zone: ZoneInfo) -> Timespan:
    """Return the window that `text` asks for, seen at `now` from `zone`; it ends by `now`.

    Understands, in any case and spacing:

    - `today`, `yesterday`, `this week` (from Monday), `last week`, `this month`, `last month`;
    - a duration, such as `90m`, `1d12h`, `last 7 days`: exactly that much time (a day is 24
      hours), ending now;
    - a date, or a weekday: the latest one, today included;
    - `since` any of these days, such a day with a time (`yesterday 18:00`), or a clock time
      (today's, else yesterday's);
    - `A..B` of the same, whole days included, B open or `now` for until now. A clock time B
      is the first after A; a weekday B the latest, or the next where that lies before A.

    A clock time that is skipped means the end of the gap, a repeated one the first.
    Raises InvalidInput that names what was not understood, with examples.
    """
    if len(text) > MAX_TEXT:
        raise InvalidInput(f"that window is longer than {MAX_TEXT} characters; try {EXAMPLES}")
    said = _tidy(text)
    if not said:
        raise InvalidInput(f"which window? For example: {EXAMPLES}")
    start_ms, end_ms = _range(said, now, zone)
    if start_ms > now:
        raise InvalidInput(f"{said} lies in the future; a window starts in the past")
    running = end_ms >= now
    end_ms = min(end_ms, now)
    # Whole days, so that 400 civil days may be an hour longer than 400 times 24 hours.
    if (end_ms - start_ms) // _UNITS_MS["d"] > MAX_SPAN.days:
        raise InvalidInput(f"{said} is too long: a window has at most {MAX_SPAN.days} days")
    return Timespan(start_ms, end_ms, zone, _label(said), running)


def parse_instant(text: str, *, now: int, zone: ZoneInfo) -> int:
    """Return the moment (ms) that `text` asks for, seen at `now` from `zone`; never a later one.

    Understands a clock time (today's, else yesterday's), a day with one in either order
    (`yesterday 14:00`, `14:00 yesterday`), a length of time and `ago`, `now`, and ISO 8601 with
    a zone. Raises InvalidInput that names what was not understood.
    """
    said = _tidy(text[: MAX_TEXT + 1])
    if not said or len(text) > MAX_TEXT:
        raise InvalidInput(f"at what time? For example: {INSTANTS}")
    at_ms = _moment(said, now, zone)
    if at_ms > now:
        raise InvalidInput(f"{said} lies in the future; I only know the past")
    return at_ms


def _moment(said: str, now: int, zone: ZoneInfo) -> int:
    if said == "now":
        return now
    if said.endswith(" ago") and (length_ms := _length(said.removesuffix(" ago"))) is not None:
        return now - length_ms
    try:
        moment = datetime.fromisoformat(said.upper())
    except ValueError:
        moment = None
    if moment is not None and moment.tzinfo is not None:
        return (moment - EPOCH) // _MS
    first, _, rest = said.partition(" ")
    if rest and _CLOCK.fullmatch(first):
        said = f"{rest} {first}"
    start_ms, end_ms = _point(said, now, zone)
    if start_ms != end_ms:
        raise InvalidInput(f"{said} is not one moment; say at what time, such as 14:00 {said}")
    return start_ms


def _tidy(text: str) -> str:
    """Fold case and spaces; phones make an ellipsis of two or three dots."""
    said = " ".join(text.casefold().replace("…", "..").split())
    said = re.sub(r" ?\.{2,3} ?", "..", said)
    return _SHORT.get(said, said)


def _label(said: str) -> str:
    if said[0].isdigit() and _length(said) is not None:
        return f"last {said}"
    return f"on {said}" if _DATE.fullmatch(said) or _weekday(said) is not None else said


def _range(said: str, now: int, zone: ZoneInfo) -> tuple[int, int]:
    if ".." in said:
        return _between(said, now, zone)
    if said.partition(" ")[0] == "since":
        return _since(said.removeprefix("since").strip(), now, zone), now
    if (length_ms := _length(said)) is not None:
        return now - length_ms, now
    start_ms, end_ms = _point(said, now, zone)
    if start_ms == end_ms:
        raise InvalidInput(f"{said} is a moment, not a window; say since {said}")
    return start_ms, end_ms


def _between(said: str, now: int, zone: ZoneInfo) -> tuple[int, int]:
    first, _, last = said.partition("..")
    if not first:
        raise InvalidInput(f"{said} has no start; write it like 2026-11-01..2026-11-07")
    start_ms = _point(first, now, zone)[0]
    if last in ("", "now"):
        return start_ms, now
    end_ms = _end(last, start_ms, now, zone)
    if end_ms <= start_ms:
        raise InvalidInput(f"{said} ends before it starts; the earlier one goes first")
    return start_ms, end_ms


def _end(said: str, start_ms: int, now: int, zone: ZoneInfo) -> int:
    """Return the end that B of `A..B` means, A being known."""
    start = local_time(start_ms, zone).date()
    if _CLOCK.fullmatch(said):
        end_ms = instant(datetime.combine(start, _clock(said)), zone)
        return end_ms if end_ms >= start_ms else _at(start + _DAY, said, zone)
    end_ms = _point(said, now, zone)[1]
    if end_ms <= start_ms and (weekday := _weekday(said)) is not None:
        ahead = (weekday - start.weekday()) % 7
        return local_midnight(start + (ahead + 1) * _DAY, zone)
    return end_ms


def _since(said: str, now: int, zone: ZoneInfo) -> int:
    if not said:
        raise InvalidInput("since when? For example: since 09:00, since monday, since 2026-11-20")
    if _length(said) is not None:
        raise InvalidInput(f"since wants a moment; for a length of time say last {said}")
    return _point(said, now, zone)[0]


def _length(said: str) -> int | None:
    """Return the milliseconds of `7d`, `last 24h`, `past 2 hours`; None for anything else."""
    bare = re.sub("^(?:last|past) ", "", said)
    if not _SPELLED.fullmatch(bare):
        return None
    parts = _SPELLED_PART.findall(bare)
    compact = "".join(count + _WORDS.get(word, word) for count, word in parts)
    if not _DURATION.fullmatch(compact):
        return None
    length_ms = parse_duration(compact) // _MS
    if length_ms == 0:
        raise InvalidInput(f"{said} is no time at all; try 10m or more")
    return length_ms


def _point(said: str, now: int, zone: ZoneInfo) -> tuple[int, int]:
    """Return start and end of civil days, or of a moment (both the same)."""
    today = local_time(now, zone).date()
    if days := _named(said, today):
        return _civil(*days, zone)
    if _CLOCK.fullmatch(said):
        at_ms = _at(today, said, zone)
        at_ms = at_ms if at_ms <= now else _at(today - _DAY, said, zone)
        return at_ms, at_ms
    day, _, clock = _ISO_T.sub(" ", said).partition(" ")
    if _CLOCK.fullmatch(clock) and (days := _named(day, today)):
        at_ms = _at(days[0], clock, zone)
        return at_ms, at_ms
    raise _not_understood(said)


def _named(said: str, today: date) -> tuple[date, date] | None:
    """Return the first date of a day or of named days, and the date after the last."""
    if _DATE.fullmatch(said):
        return _date(said), _date(said) + _DAY
    if (weekday := _weekday(said)) is not None:
        day = today - (today.weekday() - weekday) % 7 * _DAY
        return day, day + _DAY
    monday, week = today - today.weekday() * _DAY, 7 * _DAY
    first = today.replace(day=1)
    return {
        "today": (today, today + _DAY),
        "yesterday": (today - _DAY, today),
        "this week": (monday, monday + week),
        "last week": (monday - week, monday),
        "this month": (first, (first + 31 * _DAY).replace(day=1)),
        "last month": ((first - _DAY).replace(day=1), first),
    }.get(said)


def _weekday(said: str) -> int | None:
    return next((i for i, name in enumerate(_WEEKDAYS) if said in (name, name[:3])), None)


def _civil(first: date, after: date, zone: ZoneInfo) -> tuple[int, int]:
    start_ms, end_ms = local_midnight(first, zone), local_midnight(after, zone)
    if start_ms == end_ms:
        raise InvalidInput(f"{first} never was in {zone.key}: the clocks skipped it; try {after}")
    return start_ms, end_ms


def _at(day: date, clock: str, zone: ZoneInfo) -> int:
    return instant(datetime.combine(day, _clock(clock)), zone)


def _date(said: str) -> date:
    try:
        day = date.fromisoformat(said)
    except ValueError:
        raise InvalidInput(f"{said} is not in the calendar; a date is YYYY-MM-DD") from None
    if not EPOCH.year < day.year < date.max.year:
        raise InvalidInput(f"{said} is out of range; nothing was counted then")
    return day


def _clock(said: str) -> time:
    hours, minutes = map(int, said.split(":"))
    try:
        return time(hours, minutes)
    except ValueError:
        raise InvalidInput(f"{said} is not a time of day; they go from 00:00 to 23:59") from None


def _not_understood(said: str) -> InvalidInput:
    close = get_close_matches(said, [*_NAMED, *_WEEKDAYS], n=2, cutoff=0.7)
    hint = f"Did you mean {' or '.join(close)}? " if close else ""
    return InvalidInput(f"I do not understand the window {said!r}. {hint}For example: {EXAMPLES}")


def _reading(local: datetime, *, year: bool) -> str:
    return f"{local.day} {local:%b %Y %H:%M}" if year else f"{local.day} {local:%b %H:%M}"


def _offset(local: datetime) -> str:
    offset = local.strftime("%z")
    return f"UTC{offset[:3]}:{offset[3:5]}"
