"""Civil days: where they begin in every zone, whatever its clocks do."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulsebot.civil import civil_day, instant, local_midnight, local_time, zone_of
from pulsebot.errors import InvalidInput

HOUR_MS = 3_600_000
MINUTE_MS = 60_000

# Zones with quarter-hour offsets, half-hour daylight saving, no midnight on some days, a
# skipped date, and clocks once put back at one minute past midnight.
ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe",
    "America/Sao_Paulo", "Africa/Cairo", "Asia/Beirut", "Pacific/Apia", "America/St_Johns",
    "America/Havana", "Pacific/Chatham", "Asia/Pyongyang", "Africa/Casablanca",
)  # fmt: skip
zones = st.sampled_from(ZONES).map(ZoneInfo)
dates = st.dates(date(1990, 1, 1), date(2030, 12, 31))
moments = st.datetimes(datetime(1990, 1, 1), datetime(2030, 12, 31)).map(  # noqa: DTZ001 - made UTC on the next line
    lambda naive: int(naive.replace(tzinfo=UTC).timestamp()) * 1000
)


@pytest.mark.parametrize(
    ("day", "zone", "first"),
    [
        ("2018-11-04", "America/Sao_Paulo", "01:00"),
        ("2024-04-26", "Africa/Cairo", "01:00"),
        ("2022-03-27", "Asia/Beirut", "01:00"),
        ("2026-03-29", "Europe/Berlin", "00:00"),
        ("2026-10-04", "Australia/Lord_Howe", "00:00"),
    ],
)
def test_a_day_without_midnight_starts_after_the_gap(day: str, zone: str, first: str) -> None:
    """The first instant of a civil date is its midnight, or the end of the gap that ate it."""
    start = local_time(local_midnight(date.fromisoformat(day), ZoneInfo(zone)), ZoneInfo(zone))
    assert start.isoformat(timespec="minutes").startswith(f"{day}T{first}")


@given(dates, zones)
@settings(deadline=None)
def test_midnight_is_the_first_minute_that_shows_the_date(day: date, zone: ZoneInfo) -> None:
    """Stepping through every minute around a midnight finds the same first one."""
    middle = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
    ahead = range(middle - 15 * HOUR_MS, middle + 39 * HOUR_MS, MINUTE_MS)
    first = next(ms for ms in ahead if local_time(ms, zone).date() >= day)
    assert local_midnight(day, zone) == first


@given(moments, zones)
def test_the_civil_day_of_a_time_holds_it(ms: int, zone: ZoneInfo) -> None:
    """Every time lies in exactly one civil day, which starts where the one before ends."""
    start_ms, end_ms = civil_day(ms, zone)
    assert start_ms <= ms < end_ms
    assert civil_day(start_ms, zone) == (start_ms, end_ms) == civil_day(end_ms - 1, zone)
    assert civil_day(start_ms - 1, zone)[1] == start_ms


@given(moments, zones)
def test_a_wall_clock_reading_is_its_first_instant(ms: int, zone: ZoneInfo) -> None:
    """Reading a clock and asking when it showed that gives the time, or the first such one."""
    local = local_time(ms, zone).replace(tzinfo=None)
    found = instant(local, zone)
    assert found <= ms
    assert local_time(found, zone).replace(tzinfo=None) == local


def test_a_zone_is_found_by_its_name() -> None:
    """IANA names are zones."""
    assert zone_of("Asia/Kathmandu") == ZoneInfo("Asia/Kathmandu")


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("Europe/Berln", "there is no time zone 'Europe/Berln'; did you mean Europe/Berlin"),
        ("europe/berlin", "did you mean Europe/Berlin"),
        ("berlin", "did you mean Europe/Berlin?"),
        ("New York", "did you mean America/New_York?"),
        ("", "write it like Europe/Berlin or UTC"),
        ("../../etc/passwd", "there is no time zone"),
        ("Mars/Olympus", "there is no time zone"),
        ("Europe", "there is no time zone"),
        ("x" * 5000, "write it like Europe/Berlin or UTC"),
    ],
)
def test_a_misspelt_zone_gets_suggestions(name: str, complaint: str) -> None:
    """An unknown zone is answered with the nearest ones, and a path is no zone."""
    with pytest.raises(InvalidInput) as refused:
        zone_of(name)
    assert complaint in str(refused.value)
    assert len(str(refused.value)) < 250
