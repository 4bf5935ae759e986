from datetime import date
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import given
from hypothesis import strategies as st

from pulsebot.timespan import local_midnight
from pulsebot.window import MINUTE_MS, QUARTER_MS, bucket_start, widen


@given(st.sampled_from(sorted(available_timezones())), st.dates(date(1990, 1, 1), date(2035, 1, 1)))
def test_every_civil_day_is_a_sum_of_quarter_hours(zone: str, day: date) -> None:
    """Midnight of every zone lies on the boundary of a 15-minute bucket."""
    assert local_midnight(day, ZoneInfo(zone)) % QUARTER_MS == 0


@given(st.integers(0, 10**13), st.integers(0, 10**10))
def test_widening_holds_the_range_in_whole_minutes(start_ms: int, length_ms: int) -> None:
    """The widened range is of whole minutes, holds the range, and no minute too many."""
    low, high = widen(start_ms, start_ms + length_ms)
    assert low % MINUTE_MS == high % MINUTE_MS == 0
    assert low <= start_ms < low + MINUTE_MS
    assert high - MINUTE_MS < start_ms + length_ms <= high


def test_bucket_start_rounds_down() -> None:
    """A time belongs to the bucket that starts at or before it."""
    assert bucket_start(60_000, MINUTE_MS) == 60_000
    assert bucket_start(119_999, MINUTE_MS) == 60_000
