from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsebot.errors import InvalidInput
from pulsebot.timespan import (
    Timespan,
    format_duration,
    instant,
    local_midnight,
    parse_duration,
    parse_timespan,
    zone_of,
)

BERLIN = ZoneInfo("Europe/Berlin")
HOUR_MS = 3_600_000
ZONES = (
    "UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu", "Australia/Lord_Howe",
    "Africa/Cairo", "Asia/Beirut", "America/St_Johns", "Pacific/Chatham", "Asia/Tehran",
)  # fmt: skip


def ms(text: str) -> int:
    """Return a time as epoch milliseconds."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


NOW = ms("2026-11-23T14:05:00+01:00")  # a Monday


def ask(text: str, now: int = NOW, zone: ZoneInfo = BERLIN) -> Timespan:
    """Parse a window, seen from Berlin on a Monday afternoon."""
    return parse_timespan(text, now=now, zone=zone)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("today", "2026-11-23T00:00+01:00", "2026-11-23T14:05+01:00"),
        ("Yesterday", "2026-11-22T00:00+01:00", "2026-11-23T00:00+01:00"),
        ("this week", "2026-11-23T00:00+01:00", "2026-11-23T14:05+01:00"),
        ("week", "2026-11-23T00:00+01:00", "2026-11-23T14:05+01:00"),
        ("last week", "2026-11-16T00:00+01:00", "2026-11-23T00:00+01:00"),
        ("this month", "2026-11-01T00:00+01:00", "2026-11-23T14:05+01:00"),
        ("last month", "2026-10-01T00:00+02:00", "2026-11-01T00:00+01:00"),
        ("90m", "2026-11-23T12:35+01:00", "2026-11-23T14:05+01:00"),
        ("24h", "2026-11-22T14:05+01:00", "2026-11-23T14:05+01:00"),
        ("7d", "2026-11-16T14:05+01:00", "2026-11-23T14:05+01:00"),
        ("1d12h", "2026-11-22T02:05+01:00", "2026-11-23T14:05+01:00"),
        ("last 2 hours", "2026-11-23T12:05+01:00", "2026-11-23T14:05+01:00"),
        ("since 09:00", "2026-11-23T09:00+01:00", "2026-11-23T14:05+01:00"),
        ("since 23:00", "2026-11-22T23:00+01:00", "2026-11-23T14:05+01:00"),
        ("since 2026-11-20", "2026-11-20T00:00+01:00", "2026-11-23T14:05+01:00"),
        ("since 2026-11-20 09:30", "2026-11-20T09:30+01:00", "2026-11-23T14:05+01:00"),
        ("since friday", "2026-11-20T00:00+01:00", "2026-11-23T14:05+01:00"),
        ("monday", "2026-11-23T00:00+01:00", "2026-11-23T14:05+01:00"),
        ("sat", "2026-11-21T00:00+01:00", "2026-11-22T00:00+01:00"),
        ("2026-11-20", "2026-11-20T00:00+01:00", "2026-11-21T00:00+01:00"),
        ("2026-11-20..2026-11-21", "2026-11-20T00:00+01:00", "2026-11-22T00:00+01:00"),
        ("2026-11-20 .. ", "2026-11-20T00:00+01:00", "2026-11-23T14:05+01:00"),
        ("10:00..11:30", "2026-11-23T10:00+01:00", "2026-11-23T11:30+01:00"),
    ],
)
def test_windows_mean_what_people_say(text: str, start: str, end: str) -> None:
    """Each form of the grammar, seen on a Monday afternoon in Berlin."""
    span = ask(text)
    assert (span.start_ms, span.end_ms) == (ms(start), ms(end))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "which window"),
        ("tody", "Did you mean today"),
        ("may", "do not understand"),
        ("1", "do not understand"),
        ("7x", "do not understand"),
        ("0h", "no time at all"),
        ("2026-02-30", "not a date of the calendar"),
        ("since 25:00", "not a time of day"),
        ("2027-01-01", "future"),
        ("2026-11-21..2026-11-20", "ends before"),
        ("2020-01-01..2026-01-01", "longer than 400 days"),
        ("since", "do not understand"),
        ("..", "do not understand"),
        ("x" * 5000, "which window"),
        ("9999-12-31", "out of the range|future"),
        ("0001-01-01..0001-01-02", "out of the range|do not understand|longer|ends before"),
    ],
)
def test_nonsense_is_refused_in_words(text: str, says: str) -> None:
    """What is not understood is named, with examples or the nearest word."""
    with pytest.raises(InvalidInput, match=says):
        ask(text)


@given(st.text(max_size=40))
def test_any_text_is_a_window_or_refused(text: str) -> None:
    """No text whatever makes anything but a window or InvalidInput."""
    try:
        span = ask(text)
    except InvalidInput:
        return
    assert span.start_ms <= span.end_ms
    assert span.start_ms <= NOW


def test_today_at_midnight_is_empty_not_refused() -> None:
    """In the first instant of a day, today has just begun."""
    midnight = ms("2026-11-23T00:00+01:00")
    assert ask("today", midnight).start_ms == ask("today", midnight).end_ms == midnight


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-11-20", 24)]
)
def test_days_of_clock_changes_have_their_real_length(day: str, hours: int) -> None:
    """A civil day is as long as it was on the wall."""
    span = ask(day)
    assert span.end_ms - span.start_ms == hours * HOUR_MS


def test_description_names_both_offsets_of_a_clock_change() -> None:
    """An interval over a change of the clocks cannot be misread."""
    said = ask("2026-10-25").describe()
    assert said == "25 Oct 00:00 – 26 Oct 00:00 (Europe/Berlin, UTC+02:00 then UTC+01:00)"
    assert ask("today", zone=ZoneInfo("UTC")).describe() == "23 Nov 00:00 – 13:05 (UTC)"


@given(st.sampled_from(ZONES), st.dates(date(1990, 1, 2), date(2035, 12, 30)))
def test_midnight_is_the_first_instant_of_its_date(zone_name: str, day: date) -> None:
    """At midnight the local date is the day's, one millisecond earlier it is not."""
    zone = ZoneInfo(zone_name)
    start = local_midnight(day, zone)
    at = datetime.fromtimestamp(start / 1000, UTC).astimezone(zone)
    before = (datetime.fromtimestamp(start / 1000, UTC) - timedelta(milliseconds=1)).astimezone(
        zone
    )
    assert at.date() == day
    assert before.date() < day


def test_skipped_and_repeated_wall_times() -> None:
    """A reading in a gap means its end; one that is shown twice means the first."""
    assert instant(datetime(2026, 3, 29, 2, 30), BERLIN) == ms("2026-03-29T03:00+02:00")  # noqa: DTZ001 - a wall reading
    assert instant(datetime(2026, 10, 25, 2, 30), BERLIN) == ms("2026-10-25T02:30+02:00")  # noqa: DTZ001 - a wall reading


def test_a_day_that_never_was_is_refused() -> None:
    """Samoa skipped a whole day in 2011."""
    apia = ZoneInfo("Pacific/Apia")
    with pytest.raises(InvalidInput, match="never was"):
        ask("2011-12-30", ms("2012-01-02T00:00+00:00"), apia)


@given(st.timedeltas(timedelta(0), timedelta(days=3000)))
def test_durations_survive_a_round_trip(duration: timedelta) -> None:
    """What is formatted is read back, to the millisecond."""
    whole = duration // timedelta(milliseconds=1) * timedelta(milliseconds=1)
    assert parse_duration(format_duration(whole)) == whole


@pytest.mark.parametrize("text", ["", "10", "m", "-5m", "1.5h", "10 parsecs", "9" * 200 + "w"])
def test_bad_durations_are_refused(text: str) -> None:
    """A number needs its unit, and nothing else is a duration."""
    with pytest.raises(InvalidInput, match="duration"):
        parse_duration(text)


@pytest.mark.parametrize("name", ["Europe/Berln", "", "../../etc/passwd", "Mars/Olympus"])
def test_unknown_zones_are_refused(name: str) -> None:
    """A zone that is not in the database is named, with the nearest."""
    with pytest.raises(InvalidInput, match="time zone"):
        zone_of(name)
    with pytest.raises(InvalidInput, match="Europe/Berlin"):
        zone_of("Europe/Berln")
