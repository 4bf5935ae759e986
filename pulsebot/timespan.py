"""Time as people say it: durations, and the windows they ask for.

The grammar is small and strict on purpose: general date parsers read "may" as a month and "7d"
as the future. Values in, values out; `now` is always an argument. Times are whole milliseconds
since the epoch; ranges are half-open.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from zoneinfo import ZoneInfo

from pulsebot import days
from pulsebot.civil import local_midnight, local_time
from pulsebot.errors import InvalidInput
from pulsebot.phrases import place, reading

MAX_TEXT = 100
MAX_SPAN = timedelta(days=400)
"""Longest window: counts are kept this long unless the settings say otherwise."""

EXAMPLES = "today, last 7d, since 09:00, 2026-11-01..2026-11-07"

_MS = timedelta(milliseconds=1)
_UNITS_MS = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_WORDS = {
    "second": "s", "seconds": "s", "sec": "s", "minute": "m", "minutes": "m", "min": "m",
    "hour": "h", "hours": "h", "day": "d", "days": "d", "week": "w", "weeks": "w",
}  # fmt: skip
_DURATION = re.compile("(?=.)" + "".join(f"(?:([0-9]{{1,9}}){unit})?" for unit in _UNITS_MS))
_SPELLED = re.compile(r"(?:[0-9]{1,9} ?[a-z]+ ?)+")
_SPELLED_PART = re.compile(r"([0-9]{1,9}) ?([a-z]+)")
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
        first = reading(start, year=years or (same_day and not self.running))
        last = f"{end:%H:%M}" if same_day else reading(end, year=years or not self.running)
        return f"{first} – {'now ' if self.running else ''}{last} ({place(start, end)})"


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
    said = re.sub("^(?:on|in the) ", "", days.tidy(text))  # as answers say it
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


def _label(said: str) -> str:
    if spoken_length(said) is not None:
        return f"in the {said}" if said.startswith(("last", "past")) else f"in the last {said}"
    return f"on {said}" if days.is_date(said) or days.weekday(said) is not None else said


def _range(said: str, now: int, zone: ZoneInfo) -> tuple[int, int]:
    if ".." in said:
        return _between(said, now, zone)
    if said.partition(" ")[0] == "since":
        return _since(said.removeprefix("since").strip(), now, zone), now
    if (length_ms := spoken_length(said)) is not None:
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
    if days.is_clock(said):
        end_ms = days.at(start, said, zone)
        return end_ms if end_ms >= start_ms else days.at(start + days.DAY, said, zone)
    end_ms = _point(said, now, zone)[1]
    if end_ms <= start_ms and (weekday := days.weekday(said)) is not None:
        ahead = (weekday - start.weekday()) % 7
        return local_midnight(start + (ahead + 1) * days.DAY, zone)
    return end_ms


def _since(said: str, now: int, zone: ZoneInfo) -> int:
    if not said:
        raise InvalidInput("since when? For example: since 09:00, since monday, since 2026-11-20")
    if spoken_length(said) is not None:
        raise InvalidInput(f"since wants a moment; for a length of time say last {said}")
    return _point(said, now, zone)[0]


def spoken_length(said: str) -> int | None:
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
    if found := days.named(said, today):
        return days.civil(*found, zone)
    if days.is_clock(said):
        at_ms = days.at(today, said, zone)
        at_ms = at_ms if at_ms <= now else days.at(today - days.DAY, said, zone)
        return at_ms, at_ms
    day, _, clock = _ISO_T.sub(" ", said).partition(" ")
    if days.is_clock(clock) and (found := days.named(day, today)):
        at_ms = days.at(found[0], clock, zone)
        return at_ms, at_ms
    raise _not_understood(said)


def _not_understood(said: str) -> InvalidInput:
    close = get_close_matches(said, [*days.NAMED, *days.WEEKDAYS], n=2, cutoff=0.7)
    hint = f"Did you mean {' or '.join(close)}? " if close else ""
    return InvalidInput(f"I do not understand the window {said!r}. {hint}For example: {EXAMPLES}")
