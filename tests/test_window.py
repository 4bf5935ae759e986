"""Buckets and the ranges that they answer."""

from collections import Counter
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulsebot.civil import local_midnight, local_time
from pulsebot.window import (
    HOUR_MS,
    MINUTE_MS,
    QUARTER_MS,
    Window,
    bucket_start,
    days,
    hours,
    widen,
)

ZONES = (
    "UTC", "Europe/Berlin", "Asia/Kathmandu", "Asia/Kolkata", "Australia/Lord_Howe",
    "America/Sao_Paulo", "Pacific/Apia", "America/St_Johns", "Africa/Casablanca",
)  # fmt: skip
zones = st.sampled_from(ZONES).map(ZoneInfo)
times = st.integers(0, 2_000_000_000_000)
widths = st.sampled_from([MINUTE_MS, QUARTER_MS])


def civil(first: str, last: str, zone: ZoneInfo) -> tuple[int, int]:
    """Return the range of whole civil days, both included."""
    after = date.fromisoformat(last) + timedelta(days=1)
    return local_midnight(date.fromisoformat(first), zone), local_midnight(after, zone)


@given(st.sampled_from(sorted(available_timezones())), st.dates(date(1990, 1, 1), date(2035, 1, 1)))
def test_every_civil_day_is_a_sum_of_quarter_hours(zone: str, day: date) -> None:
    """Midnight of every zone lies on the boundary of a 15-minute bucket."""
    assert local_midnight(day, ZoneInfo(zone)) % QUARTER_MS == 0


@given(times, widths)
def test_a_time_lies_in_its_bucket(ms: int, width: int) -> None:
    """A bucket starts at a multiple of its width, at or before its times."""
    start = bucket_start(ms, width)
    assert start % width == 0
    assert start <= ms < start + width


@given(times, st.integers(0, 10 * HOUR_MS), widths)
def test_a_range_is_widened_to_whole_buckets(start: int, length: int, width: int) -> None:
    """The start goes down and the end up by less than a bucket, never into the range."""
    low, high = widen(start, start + length, width)
    assert low % width == high % width == 0
    assert low <= start < low + width
    assert high - width < start + length <= high


@given(
    st.integers(0, 20 * 60), st.integers(0, 20 * 60), st.integers(0, 80), st.integers(0, 20 * 60)
)
def test_rolled_up_minutes_answer_the_widened_range(
    start: int, length: int, line: int, event: int
) -> None:
    """An event counts by its bucket's start exactly if its own minute is in the widened range."""
    line_ms, event_ms = line * QUARTER_MS, event * MINUTE_MS
    low, high = widen(
        start * MINUTE_MS + 1, (start + length) * MINUTE_MS + 1, fine_since_ms=line_ms
    )
    kept_at = bucket_start(event_ms, MINUTE_MS if event_ms >= line_ms else QUARTER_MS)
    assert (low <= kept_at < high) == (low <= event_ms < high)


def test_only_what_is_old_is_rounded_to_quarter_hours() -> None:
    """A window that reaches into rolled-up time starts on a quarter and ends on the minute."""
    start, now, line = 67 * MINUTE_MS, 500 * MINUTE_MS + 1, 8 * HOUR_MS
    assert widen(start, now, fine_since_ms=line) == (60 * MINUTE_MS, 501 * MINUTE_MS)
    assert widen(start, now) == (67 * MINUTE_MS, 501 * MINUTE_MS)


@given(times, st.integers(0, 40 * 24 * HOUR_MS), zones)
@settings(deadline=None)
def test_days_and_hours_tile_the_range(start: int, length: int, zone: ZoneInfo) -> None:
    """The pieces follow each other without gap or overlap, from the start to the end."""
    end = start + length
    for pieces in (days(start, end, zone), hours(start, end, zone)):
        edges = [start, *(piece.end_ms for piece in pieces)]
        assert [piece.start_ms for piece in pieces] == edges[:-1]
        assert edges[-1] == end
        assert all(piece.start_ms < piece.end_ms for piece in pieces)
        assert len({piece.key for piece in pieces}) == len(pieces)


@pytest.mark.parametrize("zone", [z for z in ZONES if z != "America/St_Johns"])
def test_minutes_of_a_year_fall_on_their_own_dates(zone: str) -> None:
    """Each date of 2011 has as many minutes as its clocks showed, found by stepping through."""
    where = ZoneInfo(zone)
    start, end = civil("2011-01-01", "2011-12-31", where)
    stepped = Counter(
        local_time(ms, where).date().isoformat() for ms in range(start, end, QUARTER_MS)
    )
    found = {day.key: (day.end_ms - day.start_ms) // QUARTER_MS for day in days(start, end, where)}
    assert found == stepped
    assert sum(found.values()) * QUARTER_MS == end - start


@pytest.mark.parametrize(
    ("day", "zone", "count"),
    [
        ("2026-03-29", "Europe/Berlin", 23),
        ("2026-10-25", "Europe/Berlin", 25),
        ("2026-11-23", "Asia/Kathmandu", 24),
        ("2018-11-04", "America/Sao_Paulo", 23),
    ],
)
def test_a_day_has_as_many_hours_as_its_clocks_show(day: str, zone: str, count: int) -> None:
    """Every piece is a whole local hour, each offset's hour on its own."""
    where = ZoneInfo(zone)
    pieces = hours(*civil(day, day, where), where)
    assert len(pieces) == count
    assert {piece.end_ms - piece.start_ms for piece in pieces} == {HOUR_MS}
    assert {local_time(piece.start_ms, where).minute for piece in pieces} == {0}


def test_a_repeated_hour_comes_with_both_offsets() -> None:
    """The two hours from 02:00 on the long day in Berlin have their own keys."""
    berlin = ZoneInfo("Europe/Berlin")
    keys = [piece.key for piece in hours(*civil("2026-10-25", "2026-10-25", berlin), berlin)]
    assert keys[2:4] == ["2026-10-25T02:00+02:00", "2026-10-25T02:00+01:00"]


def test_the_half_hour_that_lord_howe_repeats_is_a_piece() -> None:
    """Where clocks move by 30 minutes the hours after it are again full local hours."""
    where = ZoneInfo("Australia/Lord_Howe")
    pieces = hours(*civil("2026-04-05", "2026-04-05", where), where)
    assert [piece.key[11:16] for piece in pieces[:4]] == ["00:00", "01:00", "01:30", "02:00"]
    assert sum(piece.end_ms - piece.start_ms for piece in pieces) == 24.5 * HOUR_MS


def test_a_skipped_date_is_left_out() -> None:
    """Samoa has no 30 December 2011."""
    where = ZoneInfo("Pacific/Apia")
    pieces = days(*civil("2011-12-28", "2012-01-01", where), where)
    assert [piece.key[5:] for piece in pieces] == ["12-28", "12-29", "12-31", "01-01"]


def test_parts_of_days_are_named_after_their_day() -> None:
    """A range from noon to noon gives two halves, each under its date."""
    utc = ZoneInfo("UTC")
    noon = int(datetime(2026, 11, 23, 12, tzinfo=utc).timestamp()) * 1000
    assert days(noon, noon + 24 * HOUR_MS, utc) == [
        Window("2026-11-23", noon, noon + 12 * HOUR_MS),
        Window("2026-11-24", noon + 12 * HOUR_MS, noon + 24 * HOUR_MS),
    ]


def test_an_empty_range_has_no_pieces() -> None:
    """Nothing is split into nothing."""
    assert days(5, 5, ZoneInfo("UTC")) == hours(5, 5, ZoneInfo("UTC")) == []
