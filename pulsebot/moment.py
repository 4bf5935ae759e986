"""A moment of the past as people say it: `14:00 yesterday`, `2h ago`, `2026-11-20T14:00:00Z`.

As strict as windows are, and read in the asker's zone. Where the clocks were changed a reading
may mean no moment, or two: the answer says which one it is about. `now` is always an argument.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from zoneinfo import ZoneInfo

from pulsebot import days
from pulsebot.civil import EPOCH, instant, local_time
from pulsebot.errors import InvalidInput
from pulsebot.phrases import instant as said_instant
from pulsebot.phrases import place
from pulsebot.timespan import MAX_TEXT, spoken_length

EXAMPLES = "14:00, 14:00 yesterday, monday 09:30, 2026-11-20 14:00, 2h ago"

_MS = timedelta(milliseconds=1)
_WEEK = timedelta(days=7)
_ISO = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[t ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
    r"(z|[+-][0-9]{2}:?[0-9]{2})?"
)


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time that somebody asked about: whole milliseconds, not after the asking.

    `note` tells what the clocks did to it; empty where there is nothing to tell.
    """

    at_ms: int
    zone: ZoneInfo
    note: str = ""

    def describe(self) -> str:
        """Return it with its zone: `23 Nov 2026 14:05 (Europe/Berlin, UTC+01:00)`."""
        return said_instant(self.at_ms, self.zone, year=True)


def take_moment(
    words: Sequence[str], *, now: int, zone: ZoneInfo
) -> tuple[tuple[str, ...], Moment | None]:
    """Take `at 14:00 yesterday`, `yesterday at 14:00` or `2h ago` off the end of a command.

    Returns the words before it, and None where they end in no moment. Raises InvalidInput where
    they do and it cannot be understood.
    """
    folded = [word.casefold() for word in words]
    today = local_time(now, zone).date()
    if "at" in folded:
        split = len(folded) - folded[::-1].index("at")
        said, left = folded[split:], split - 1
        if (
            left
            and len(said) == 1
            and days.is_clock(said[0])
            and days.single(folded[left - 1], today)
        ):
            said, left = [folded[left - 1], *said], left - 1
    elif folded[-1:] == ["ago"]:
        left = _start_of_length(folded)
        said = folded[left:]
    else:
        return tuple(words), None
    return tuple(words[:left]), parse_moment(" ".join(said), now=now, zone=zone)


def parse_moment(text: str, *, now: int, zone: ZoneInfo) -> Moment:
    """Return the moment that `text` asks for, seen at `now` from `zone`.

    Understands, in any case and spacing:

    - a clock time: today's, or yesterday's where that is still to come;
    - a day with a clock time, in either order; a weekday is the latest at which it was that;
    - a date and a clock time also as ISO 8601, with seconds and with `Z` or an offset;
    - a length of time and `ago`; `now`.

    A clock time that is skipped means the end of the gap, a repeated one the first; `note` says
    so. Raises InvalidInput that names what was not understood, with examples, and for the future.
    """
    said = days.tidy(text[: MAX_TEXT + 1])
    if not said or len(text) > MAX_TEXT:
        raise InvalidInput(f"at what time? For example: {EXAMPLES}")
    moment = _moment(said, now, zone)
    if moment.at_ms > now:
        raise InvalidInput(
            f"{said} lies in the future: it is {said_instant(now, zone)}, and I know only the past"
        )
    return moment


def _moment(said: str, now: int, zone: ZoneInfo) -> Moment:
    if said == "now":
        return Moment(now, zone)
    if said.endswith(" ago"):
        return Moment(_ago(said, now), zone)
    if written := _ISO.fullmatch(said):
        return _iso(said, written[1], offset=bool(written[2]), now=now, zone=zone)
    day, clock = _parts(said)
    local = _local(day, clock, now, zone)
    if local is None:
        raise _not_understood(said, now, zone)
    return _of_clock(local, now, zone)


def _ago(said: str, now: int) -> int:
    length = said.removesuffix(" ago")
    length_ms = spoken_length(length) if length[0].isdigit() else None
    if length_ms is None:
        raise InvalidInput(f"{length!r} is no length of time; write it like 90m ago or 2 days ago")
    if length_ms >= now:
        raise InvalidInput(f"{said} is out of range; nothing was counted then")
    return now - length_ms


def _iso(said: str, day: str, *, offset: bool, now: int, zone: ZoneInfo) -> Moment:
    days.date_of(day)
    try:
        written = datetime.fromisoformat(said.upper())
    except ValueError:
        raise InvalidInput(
            f"{said} is not a time; write it like 2026-11-20 14:00 or 2026-11-20T14:00:00Z"
        ) from None
    if offset:
        return Moment((written - EPOCH) // _MS, zone)
    return _of_clock(written, now, zone)


def _parts(said: str) -> tuple[str, str]:
    """Return day and clock time, whichever was said first; the day may be empty."""
    first, _, last = said.rpartition(" ")
    if days.is_clock(last):
        return first, last
    first, _, last = said.partition(" ")
    return (last, first) if days.is_clock(first) else (said, "")


def _local(day: str, clock: str, now: int, zone: ZoneInfo) -> datetime | None:
    """Return what the clocks showed at a day and time; None where these are none."""
    today = local_time(now, zone).date()
    found = days.single(day, today) if day else today
    if not clock or found is None:
        return None
    local = datetime.combine(found, days.clock_of(clock))
    if instant(local, zone) > now:
        local -= days.DAY if not day else _WEEK if days.weekday(day) is not None else timedelta()
    return local


def _of_clock(local: datetime, now: int, zone: ZoneInfo) -> Moment:
    """Return the moment of a reading, with a note where the clocks skipped or repeated it."""
    days.civil(local.date(), local.date() + days.DAY, zone)
    at_ms = instant(local, zone)
    shown = local_time(at_ms, zone)
    if shown.replace(tzinfo=None) != local:
        note = f"The clocks in {zone} skipped {local:%H:%M} on that day: this is {shown:%H:%M}."
        return Moment(at_ms, zone, note)
    second = local.replace(tzinfo=zone, fold=1)
    if second.utcoffset() == shown.utcoffset() or (second - EPOCH) // _MS > now:
        return Moment(at_ms, zone)
    note = (
        f"The clocks showed {local:%H:%M} twice on that day: this is the first"
        f" ({place(shown)}); for the second say {second.isoformat(timespec='minutes')}."
    )
    return Moment(at_ms, zone, note)


def _start_of_length(folded: Sequence[str]) -> int:
    """Return where the length of time before `ago` begins: as early as it can."""
    last = len(folded) - 1
    for start in range(last):
        words = " ".join(folded[start:last])
        if words[:1].isdigit() and len(words) <= MAX_TEXT and spoken_length(words) is not None:
            return start
    return max(0, last - 1)


def _not_understood(said: str, now: int, zone: ZoneInfo) -> InvalidInput:
    if days.named(said, local_time(now, zone).date()):
        return InvalidInput(f"{said} is not one moment; say at what time, such as 14:00 {said}")
    words = {word: None for word in said.split() if not days.is_clock(word)}
    known = [*days.NAMED[:2], *days.WEEKDAYS, "now", "ago"]
    close = [match for word in words for match in get_close_matches(word, known, 1, 0.7)]
    hint = f"Did you mean {' or '.join(close)}? " if close else ""
    return InvalidInput(f"I do not understand the time {said!r}. {hint}For example: {EXAMPLES}")
