"""The calendar that people live by: zones, wall clocks, and where their days begin.

Every zone of the IANA database counts, also with clocks that skip a midnight, repeat it, or
skip a whole date. Values in, values out. Times are whole milliseconds since the epoch.
"""

from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pulsebot.errors import InvalidInput

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_NAME = 100
"""A zone's name is not read beyond this."""

_MS = timedelta(milliseconds=1)
_DAY = timedelta(days=1)


@lru_cache(maxsize=256)
def zone_of(name: str) -> ZoneInfo:
    """Return the zone of an IANA name; raises InvalidInput with the nearest names."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    folded = name[:MAX_NAME].strip().casefold().replace(" ", "_")
    known = _zone_names()
    cities = [zone for zone in known if zone.rpartition("/")[2] == folded]
    close = cities or get_close_matches(folded, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(known[c] for c in close)}?" if close else "write it like"
    mend = hint if close else f"{hint} Europe/Berlin or UTC"
    raise InvalidInput(f"there is no time zone {name[:MAX_NAME]!r}; {mend}")


@lru_cache(maxsize=1)
def _zone_names() -> dict[str, str]:
    """Return the IANA names by their folded form; listing them reads the whole database."""
    return {name.casefold(): name for name in sorted(available_timezones())}


def local_time(ms: int, zone: ZoneInfo) -> datetime:
    """Return what the clocks of a zone show at a time."""
    return (EPOCH + timedelta(milliseconds=ms)).astimezone(zone)


def instant(local: datetime, zone: ZoneInfo) -> int:
    """Return the time of a wall clock reading in a zone.

    A reading that the clocks skip means the moment after the gap; one that they show twice
    means the first time.
    """
    moment = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) != local:
        return _end_of_gap(local, zone)
    return _ms(moment)


def _end_of_gap(local: datetime, zone: ZoneInfo) -> int:
    """Return the moment of the transition that skips a wall clock reading."""
    # fold=0 uses the offset before the gap, fold=1 the one after: the two instants enclose it.
    early = _ms(local.replace(tzinfo=zone, fold=1).astimezone(UTC))
    late = _ms(local.replace(tzinfo=zone, fold=0).astimezone(UTC))
    before = local_time(early, zone).utcoffset()
    while late - early > 1:
        middle = (early + late) // 2
        if local_time(middle, zone).utcoffset() == before:
            early = middle
        else:
            late = middle
    return late


def local_midnight(day: date, zone: ZoneInfo) -> int:
    """Return the first instant of a civil date, also where its midnight does not exist.

    For a date that the zone skipped, that is the first instant of the next one.
    """
    return instant(datetime.combine(day, time.min), zone)


def civil_day(ms: int, zone: ZoneInfo) -> tuple[int, int]:
    """Return start and end of the civil day that holds a time; days follow without a gap.

    Where clocks were put back past midnight, the repeated minutes belong to the later date.
    """
    day = local_time(ms, zone).date()
    end_ms = local_midnight(day + _DAY, zone)
    if ms >= end_ms:
        return end_ms, local_midnight(day + 2 * _DAY, zone)
    return local_midnight(day, zone), end_ms


def _ms(moment: datetime) -> int:
    return (moment - EPOCH) // _MS
