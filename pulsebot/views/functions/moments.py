"""Functions of time: epoch milliseconds to text and back, in a zone.

Patterns are written as in ksqlDB (`yyyy-MM-dd HH:mm:ss`); quotes hold text that is no pattern.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pulsebot.civil import MAX_NAME, instant, local_time

MAX_PATTERN = 100

_LETTERS = {
    "yyyy": "%Y",
    "yy": "%y",
    "MM": "%m",
    "MMM": "%b",
    "dd": "%d",
    "EEE": "%a",
    "EEEE": "%A",
    "HH": "%H",
    "mm": "%M",
    "ss": "%S",
    "SSS": "%f",
    "XXX": "%z",
}
_PART = re.compile(r"'([^']*)'|([a-zA-Z])\2*|%|.", re.DOTALL)


@lru_cache(maxsize=256)
def _translated(pattern: str) -> str:
    """Return Python's form of a pattern; raises ValueError for letters that mean nothing here."""
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"a pattern of time may have {MAX_PATTERN} characters")
    parts = []
    for match in _PART.finditer(pattern):
        whole = match.group(0)
        if match.group(1) is not None:
            parts.append(match.group(1).replace("%", "%%") or "'")
        elif whole[0].isalpha():
            parts.append(_LETTERS.get(whole) or _refused(whole))
        else:
            parts.append("%%" if whole == "%" else whole)
    return "".join(parts)


def _refused(letters: str) -> str:
    known = ", ".join(_LETTERS)
    raise ValueError(f"{letters!r} is no part of a time; there is {known}, and text in 'quotes'")


def check_pattern(pattern: str) -> None:
    """Refuse letters that mean nothing."""
    _translated(pattern)


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo | None:
    """Return a zone, None where there is none: that must be as quick, it may come from events."""
    try:
        return ZoneInfo(name[:MAX_NAME])
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def to_text(ms: int, pattern: str, zone: str = "UTC") -> str:
    """Return what the clocks of a zone show at a time."""
    python = _translated(pattern)
    local = _local(ms, zone)
    milliseconds = f"{local.microsecond // 1000:03d}"
    offset = local.isoformat()[-6:]
    return local.strftime(python.replace("%f", milliseconds).replace("%z", offset))


def from_text(text: str, pattern: str, zone: str = "UTC") -> int:
    """Return the time at which the clocks of a zone showed a text."""
    moment = datetime.strptime(text, _translated(pattern))  # noqa: DTZ007 - the zone comes next
    if moment.tzinfo is not None:
        return round(moment.astimezone(UTC).timestamp() * 1000)
    return instant(moment, _known(zone))


def _known(name: str) -> ZoneInfo:
    zone = _zone(name)
    if zone is None:
        raise ValueError(name)
    return zone


def _local(ms: int, zone: str) -> datetime:
    return local_time(ms, _known(zone))


def hour_of_day(ms: int, zone: str = "UTC") -> int:
    """Return the hour, 0 to 23."""
    return _local(ms, zone).hour


def day_of_week(ms: int, zone: str = "UTC") -> int:
    """Return the day of the week, Monday as 1."""
    return _local(ms, zone).isoweekday()
