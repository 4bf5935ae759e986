"""Time as people say it: what each phrase means, and what a mistake is told."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pulsebot.errors import InvalidInput
from pulsebot.timespan import (
    Timespan,
    format_duration,
    parse_duration,
    parse_timespan,
)
from tests.test_civil import moments, zones

BERLIN = ZoneInfo("Europe/Berlin")
HOUR_MS = 3_600_000


def at(text: str, zone: ZoneInfo = BERLIN) -> int:
    """Return the milliseconds of a wall clock reading."""
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()) * 1000


NOW = at("2026-11-24 14:05:30")  # a Tuesday
"""The moment that the examples are asked at."""


def ask(text: str, now: int = NOW, zone: ZoneInfo = BERLIN) -> Timespan:
    """Parse as seen from Berlin on a Tuesday afternoon, unless told otherwise."""
    return parse_timespan(text, now=now, zone=zone)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("today", "2026-11-24 00:00", None),
        ("yesterday", "2026-11-23 00:00", "2026-11-24 00:00"),
        ("this week", "2026-11-23 00:00", None),
        ("week", "2026-11-23 00:00", None),
        ("last week", "2026-11-16 00:00", "2026-11-23 00:00"),
        ("month", "2026-11-01 00:00", None),
        ("last month", "2026-10-01 00:00", "2026-11-01 00:00"),
        ("90m", "2026-11-24 12:35:30", None),
        ("30s", "2026-11-24 14:05", None),
        ("1d12h", "2026-11-23 02:05:30", None),
        ("1 d 12 h", "2026-11-23 02:05:30", None),
        ("2 weeks", "2026-11-10 14:05:30", None),
        ("last 7 days", "2026-11-17 14:05:30", None),
        ("past 2 hours 30 minutes", "2026-11-24 11:35:30", None),
        ("since 09:00", "2026-11-24 09:00", None),
        ("since 9:00", "2026-11-24 09:00", None),
        ("since 15:00", "2026-11-23 15:00", None),
        ("since 2026-11-20", "2026-11-20 00:00", None),
        ("since 2026-11-20 09:00", "2026-11-20 09:00", None),
        ("since 2026-11-20T09:00", "2026-11-20 09:00", None),
        ("since yesterday", "2026-11-23 00:00", None),
        ("since yesterday 18:00", "2026-11-23 18:00", None),
        ("since saturday 09:00", "2026-11-21 09:00", None),
        ("since last week", "2026-11-16 00:00", None),
        ("since monday", "2026-11-23 00:00", None),
        ("tuesday", "2026-11-24 00:00", None),
        ("wed", "2026-11-18 00:00", "2026-11-19 00:00"),
        ("2026-11-20", "2026-11-20 00:00", "2026-11-21 00:00"),
        ("2026-11-24", "2026-11-24 00:00", None),
        ("2026-11-01..2026-11-07", "2026-11-01 00:00", "2026-11-08 00:00"),
        ("2026-11-01 … 2026-11-07", "2026-11-01 00:00", "2026-11-08 00:00"),
        ("2026-11-01...2026-11-07", "2026-11-01 00:00", "2026-11-08 00:00"),
        ("2026-11-20..", "2026-11-20 00:00", None),
        ("2026-11-20..now", "2026-11-20 00:00", None),
        ("2026-11-20..2026-11-30", "2026-11-20 00:00", None),
        ("2026-11-20 09:00..2026-11-20 17:30", "2026-11-20 09:00", "2026-11-20 17:30"),
        ("2026-11-20 09:00..17:30", "2026-11-20 09:00", "2026-11-20 17:30"),
        ("09:00..12:00", "2026-11-24 09:00", "2026-11-24 12:00"),
        ("09:00..17:00", "2026-11-24 09:00", None),
        ("22:00..06:00", "2026-11-23 22:00", "2026-11-24 06:00"),
        ("monday..friday", "2026-11-23 00:00", None),
        ("wednesday..friday", "2026-11-18 00:00", "2026-11-21 00:00"),
        ("friday..monday", "2026-11-20 00:00", "2026-11-24 00:00"),
        ("last month..yesterday", "2026-10-01 00:00", "2026-11-24 00:00"),
        ("  Since   MONDAY ", "2026-11-23 00:00", None),
    ],
)
def test_a_phrase_is_understood(text: str, start: str, end: str | None) -> None:
    """Each phrase of the grammar means its range; without an end it runs until now."""
    span = ask(text)
    assert (span.start_ms, span.end_ms) == (at(start), at(end) if end else NOW)
    assert span.running == (end is None)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "which window? For example: today, "),
        ("yesteday", "window 'yesteday'. Did you mean yesterday? For example: today, "),
        ("since thurday", "'thurday'. Did you mean thursday"),
        ("lst week", "Did you mean last week"),
        ("1", "I do not understand the window '1'"),
        ("..", "has no start"),
        ("7x", "I do not understand the window '7x'. For example"),
        ("30m1h", "I do not understand the window '30m1h'"),
        ("٧d", "I do not understand the window '٧d'"),
        ("may", "I do not understand the window 'may'"),
        ("..2026-11-20", "has no start"),
        ("a..b..c", "I do not understand the window 'a'"),
        ("since", "since when?"),
        ("since 2h", "say last 2h"),
        ("0m", "0m is no time at all"),
        ("09:00", "09:00 is a moment, not a window; say since 09:00"),
        ("2026-11-20 09:00", "say since 2026-11-20 09:00"),
        ("since 25:00", "25:00 is not a time of day; they go from 00:00 to 23:59"),
        ("2026-02-30", "2026-02-30 is not in the calendar"),
        ("0001-01-01", "0001-01-01 is out of range"),
        ("since 9999-12-31 23:59", "9999-12-31 is out of range"),
        ("2026-11-25", "2026-11-25 lies in the future"),
        ("since today 18:00", "lies in the future"),
        ("2026-11-20..2026-11-01", "ends before it starts"),
        ("09:00..09:00", "ends before it starts"),
        ("401d", "401d is too long: a window has at most 400 days"),
        ("999999999w", "too long a duration"),
        ("99999999 weeks", "at most 400 days"),
        ("2025-01-01..", "at most 400 days"),
        ("9" * 101, "longer than 100 characters"),
    ],
)
def test_a_mistake_is_named_with_its_mend(text: str, complaint: str) -> None:
    """What cannot be understood is quoted, and what to write instead is told."""
    with pytest.raises(InvalidInput) as refused:
        ask(text)
    assert complaint in str(refused.value)


@given(st.text("0123456789:-. dhmswt…sinceay", max_size=101), zones, moments)
@example("wednesday", ZoneInfo("UTC"), NOW)
@example("2026-11-20", ZoneInfo("UTC"), NOW)
@example("in the past 2 hours", ZoneInfo("UTC"), NOW)
@settings(deadline=None)
def test_any_text_is_a_window_or_a_clear_refusal(text: str, zone: ZoneInfo, now: int) -> None:
    """Whatever is typed gives a range in order that ends by now, or InvalidInput."""
    try:
        span = ask(text, now, zone)
    except InvalidInput:
        return
    assert span.start_ms <= span.end_ms <= now
    assert span.running == (span.end_ms == now)
    assert ask(span.label, now, zone) == span


@given(st.text(max_size=40))
def test_no_text_whatever_breaks_the_grammar(text: str) -> None:
    """Any characters at all make a window that has begun, or InvalidInput."""
    try:
        span = ask(text)
    except InvalidInput:
        return
    assert span.start_ms <= span.end_ms <= NOW


def test_today_at_midnight_is_empty_not_refused() -> None:
    """In the first instant of a day, today has just begun."""
    midnight = at("2026-11-24 00:00")
    assert ask("today", midnight).start_ms == ask("today", midnight).end_ms == midnight


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("7d", "in the last 7d"), ("Week", "this week"), ("last 2 Hours", "in the last 2 hours"),
        ("past 2 hours", "in the past 2 hours"), ("a day", None),
        ("Monday", "on monday"), ("2026-11-20", "on 2026-11-20"),
    ],
)  # fmt: skip
def test_the_label_stands_at_the_end_of_a_sentence(text: str, label: str | None) -> None:
    """A label is the phrase, tidied so that `12 triggers LABEL` reads well."""
    if label is None:
        with pytest.raises(InvalidInput):
            ask(text)
    else:
        assert ask(text).label == label


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("today", "24 Nov 00:00 – now 14:05 (Europe/Berlin, UTC+01:00)"),
        ("30s", "24 Nov 14:05 – now 14:05 (Europe/Berlin, UTC+01:00)"),
        ("yesterday", "23 Nov 00:00 – 24 Nov 2026 00:00 (Europe/Berlin, UTC+01:00)"),
        ("since 2026-11-20", "20 Nov 00:00 – now 24 Nov 14:05 (Europe/Berlin, UTC+01:00)"),
        ("since 2025-11-20",
         "20 Nov 2025 00:00 – now 24 Nov 2026 14:05 (Europe/Berlin, UTC+01:00)"),
        ("09:00..12:00", "24 Nov 2026 09:00 – 12:00 (Europe/Berlin, UTC+01:00)"),
        ("2026-10-25",
         "25 Oct 00:00 – 26 Oct 2026 00:00 (Europe/Berlin, UTC+02:00 then UTC+01:00)"),
    ],
)  # fmt: skip
def test_the_interval_is_echoed_with_its_zone(text: str, said: str) -> None:
    """A reply can say the interval so that nobody takes it for another one."""
    assert ask(text).describe() == said


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ("UTC", "24 Nov 00:00 – now 13:05 (UTC)"),
        ("Asia/Kathmandu", "24 Nov 00:00 – now 18:50 (Asia/Kathmandu, UTC+05:45)"),
        ("America/St_Johns", "24 Nov 00:00 – now 09:35 (America/St_Johns, UTC-03:30)"),
    ],
)
def test_today_is_the_readers_own(zone: str, said: str) -> None:
    """The same moment is another interval in another zone, and says so."""
    assert ask("today", zone=ZoneInfo(zone)).describe() == said


def test_a_window_of_the_repeated_hour_names_both_offsets() -> None:
    """From the first 02:30 to the second one is an hour, told apart by the offsets."""
    now = at("2026-10-25 00:30", ZoneInfo("UTC")) + HOUR_MS
    assert (
        ask("1h", now).describe()
        == "25 Oct 02:30 – now 02:30 (Europe/Berlin, UTC+02:00 then UTC+01:00)"
    )


def test_rolling_days_are_exact_time_and_named_days_are_civil() -> None:
    """Over the autumn change `1d` is 24 hours while the civil day has 25."""
    now = at("2026-10-25 12:00")
    rolling, civil = ask("1d", now), ask("2026-10-25", at("2026-10-27 12:00"))
    assert rolling.end_ms - rolling.start_ms == 24 * HOUR_MS
    assert civil.end_ms - civil.start_ms == 25 * HOUR_MS


def test_a_skipped_clock_time_means_the_end_of_the_gap() -> None:
    """02:30 does not exist in Berlin on 29 March 2026: the clocks go on at 03:00."""
    span = ask("since 2026-03-29 02:30")
    assert span.start_ms == at("2026-03-29 03:00")


def test_a_repeated_clock_time_means_the_first() -> None:
    """02:30 comes twice in Berlin on 25 October 2026: in summer time first."""
    span = ask("since 2026-10-25 02:30")
    assert datetime.fromtimestamp(span.start_ms / 1000, UTC) == datetime(
        2026, 10, 25, 0, 30, tzinfo=UTC
    )


def test_a_date_that_a_zone_skipped_is_refused() -> None:
    """Samoa went from 29 to 31 December 2011; the day between has no events to count."""
    apia = ZoneInfo("Pacific/Apia")
    now = at("2012-01-05 12:00", apia)
    with pytest.raises(InvalidInput, match=r"2011-12-30 never was in Pacific/Apia.*2011-12-31"):
        ask("2011-12-30", now, apia)
    span = ask("2011-12-29..2011-12-31", now, apia)
    assert span.end_ms - span.start_ms == 48 * HOUR_MS


def test_four_hundred_civil_days_fit_whatever_the_clocks_do() -> None:
    """Two autumns in one window make it an hour longer, and it is still 400 days."""
    span = ask("2025-10-20..2026-11-23")
    assert span.end_ms - span.start_ms == 400 * 24 * HOUR_MS + HOUR_MS


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2025-10-26", 25), ("2026-11-20", 24)]
)
def test_days_of_clock_changes_have_their_real_length(day: str, hours: int) -> None:
    """A civil day is as long as it was on the wall."""
    span = ask(day)
    assert span.end_ms - span.start_ms == hours * HOUR_MS


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("10m", timedelta(minutes=10)),
        ("1h30m", timedelta(hours=1, minutes=30)),
        ("24h", timedelta(days=1)),
        ("7d", timedelta(days=7)),
        ("500ms", timedelta(milliseconds=500)),
        ("1m500ms", timedelta(minutes=1, milliseconds=500)),
        (" 10S ", timedelta(seconds=10)),
        ("2w", timedelta(days=14)),
        ("0s", timedelta(0)),
    ],
)
def test_a_duration_is_read(text: str, duration: timedelta) -> None:
    """Numbers with units add up."""
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    "text",
    ["", " ", "10", "m", "-5m", "1.5h", "1h 30m", "30m1h", "1h1h", "1y", "٣m", "1" * 100 + "s"],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    """Nothing is guessed: no unit, no sign, no fraction, no space, no unit twice."""
    with pytest.raises(InvalidInput, match="is not a duration; write it like 90s, 10m or 1h30m"):
        parse_duration(text)


def test_a_duration_beyond_reckoning_is_refused() -> None:
    """A number too large for a duration is bad input, not a crash."""
    with pytest.raises(InvalidInput, match="too long a duration"):
        parse_duration("999999999w")


@given(st.timedeltas(timedelta(0), timedelta(days=99_999)))
def test_a_duration_reads_back_as_written(duration: timedelta) -> None:
    """Formatting loses nothing above the millisecond."""
    whole = duration // timedelta(milliseconds=1) * timedelta(milliseconds=1)
    assert parse_duration(format_duration(duration)) == whole


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(days=1, hours=12), "1d12h"),
        (timedelta(0), "0s"),
        (timedelta(days=14), "14d"),
        (timedelta(minutes=-5), "-5m"),
        (timedelta(microseconds=-5), "0s"),
    ],
)
def test_a_duration_is_written_in_its_units(duration: timedelta, text: str) -> None:
    """The largest unit is the day; a negative duration is said, not an error."""
    assert format_duration(duration) == text
