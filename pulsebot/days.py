"""The words for days and for times of day: what `monday`, `2026-11-20` and `14:00` mean.

Values in, values out; seen from a date, in a zone. This module must not know windows.
"""

import re
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from pulsebot.civil import EPOCH, instant, local_midnight
from pulsebot.errors import InvalidInput

DAY = timedelta(days=1)
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
NAMED = ("today", "yesterday", "this week", "last week", "this month", "last month")

_SHORT = {"week": "this week", "month": "this month"}
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CLOCK = re.compile(r"[0-9]{1,2}:[0-9]{2}")


def tidy(text: str) -> str:
    """Fold case and spaces; phones make an ellipsis of two or three dots."""
    said = " ".join(text.casefold().replace("…", "..").split())
    said = re.sub(r" ?\.{2,3} ?", "..", said)
    return _SHORT.get(said, said)


def is_date(said: str) -> bool:
    """Tell whether this has the form of a date."""
    return _DATE.fullmatch(said) is not None


def is_clock(said: str) -> bool:
    """Tell whether this has the form of a time of day."""
    return _CLOCK.fullmatch(said) is not None


def weekday(said: str) -> int | None:
    """Return the weekday of a name or its three letters, monday being 0; None for neither."""
    return next((i for i, name in enumerate(WEEKDAYS) if said in (name, name[:3])), None)


def named(said: str, today: date) -> tuple[date, date] | None:
    """Return the first date of a day or of named days, and the date after the last.

    A weekday is the latest one, `today` included. None for what names no days.
    """
    if is_date(said):
        return date_of(said), date_of(said) + DAY
    if (number := weekday(said)) is not None:
        day = today - (today.weekday() - number) % 7 * DAY
        return day, day + DAY
    monday, week = today - today.weekday() * DAY, 7 * DAY
    first = today.replace(day=1)
    return {
        "today": (today, today + DAY),
        "yesterday": (today - DAY, today),
        "this week": (monday, monday + week),
        "last week": (monday - week, monday),
        "this month": (first, (first + 31 * DAY).replace(day=1)),
        "last month": ((first - DAY).replace(day=1), first),
    }.get(said)


def single(said: str, today: date) -> date | None:
    """Return the one day that this names; None for weeks, months and anything else."""
    days = named(said, today)
    return days[0] if days and days[1] - days[0] == DAY else None


def civil(first: date, after: date, zone: ZoneInfo) -> tuple[int, int]:
    """Return start and end (ms) of civil days; raises InvalidInput where there never were any."""
    start_ms, end_ms = local_midnight(first, zone), local_midnight(after, zone)
    if start_ms == end_ms:
        raise InvalidInput(f"{first} never was in {zone.key}: the clocks skipped it; try {after}")
    return start_ms, end_ms


def at(day: date, clock: str, zone: ZoneInfo) -> int:
    """Return the time (ms) of a time of day; a skipped one is the gap's end, of two the first."""
    return instant(datetime.combine(day, clock_of(clock)), zone)


def date_of(said: str) -> date:
    """Return a date; raises InvalidInput where the calendar has none, or none to count in."""
    try:
        day = date.fromisoformat(said)
    except ValueError:
        raise InvalidInput(f"{said} is not in the calendar; a date is YYYY-MM-DD") from None
    if not EPOCH.year < day.year < date.max.year:
        raise InvalidInput(f"{said} is out of range; nothing was counted then")
    return day


def clock_of(said: str) -> time:
    """Return a time of day; raises InvalidInput where no clock shows it."""
    hours, minutes = map(int, said.split(":"))
    try:
        return time(hours, minutes)
    except ValueError:
        raise InvalidInput(f"{said} is not a time of day; they go from 00:00 to 23:59") from None
