"""Moments as people say them: which one is meant, whatever the clocks do, and what is refused."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulsebot.civil import local_time
from pulsebot.errors import InvalidInput
from pulsebot.moment import Moment, parse_moment, take_moment
from tests.test_civil import moments, zones

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime.fromisoformat("2026-10-25T15:00:30+01:00")  # a Sunday of 25 hours
NOW_MS = round(NOW.timestamp() * 1000)
TWICE = "this is the first (Europe/Berlin, UTC+02:00); for the second say 2026-10-25T02:30+01:00"
DAY_MS, HOUR_MS, MINUTE_MS = 86_400_000, 3_600_000, 60_000


def ask(text: str, now: int = NOW_MS, zone: ZoneInfo = BERLIN) -> Moment:
    """Parse as seen from Berlin on the afternoon of the autumn change."""
    return parse_moment(text, now=now, zone=zone)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("14:00", "2026-10-25T14:00+01:00"),
        ("9:05", "2026-10-25T09:05+01:00"),
        ("18:00", "2026-10-24T18:00+02:00"),
        ("14:00 yesterday", "2026-10-24T14:00+02:00"),
        ("Yesterday  14:00", "2026-10-24T14:00+02:00"),
        ("today 14:00", "2026-10-25T14:00+01:00"),
        ("monday 09:30", "2026-10-19T09:30+02:00"),
        ("09:30 mon", "2026-10-19T09:30+02:00"),
        ("sunday 14:00", "2026-10-25T14:00+01:00"),
        ("sunday 18:00", "2026-10-18T18:00+02:00"),
        ("2026-10-20 14:00", "2026-10-20T14:00+02:00"),
        ("14:00 2026-10-20", "2026-10-20T14:00+02:00"),
        ("2026-10-20T14:00", "2026-10-20T14:00+02:00"),
        ("2026-10-20T14:00:07", "2026-10-20T14:00:07+02:00"),
        ("2026-10-20T10:00:00Z", "2026-10-20T12:00+02:00"),
        ("2026-10-20 10:00:00.250-04:30", "2026-10-20T16:30:00.250+02:00"),
        ("12h ago", "2026-10-25T03:00:30+01:00"),
        ("1 day 2 hours ago", "2026-10-24T14:00:30+02:00"),
        ("now", "2026-10-25T15:00:30+01:00"),
    ],
)
def test_a_phrase_means_its_moment(text: str, expected: str) -> None:
    """Each phrase of the grammar is read in the zone of the asker; the last one that was."""
    asked = ask(text)
    assert asked.at_ms == round(datetime.fromisoformat(expected).timestamp() * 1000)
    assert not asked.note


@pytest.mark.parametrize(
    ("text", "expected", "note"),
    [
        ("2026-03-29 02:30", "2026-03-29T03:00+02:00",
         "The clocks in Europe/Berlin skipped 02:30 on that day: this is 03:00."),
        ("02:30", "2026-10-25T02:30+02:00",
         f"The clocks showed 02:30 twice on that day: {TWICE}."),
    ],
)  # fmt: skip
def test_what_the_clocks_did_is_said(text: str, expected: str, note: str) -> None:
    """A skipped reading means the gap's end, a repeated one the first; how to say the second."""
    assert ask(text) == Moment(
        round(datetime.fromisoformat(expected).timestamp() * 1000), BERLIN, note
    )


def test_the_second_of_two_can_be_said_as_the_note_says() -> None:
    """The mend of the note is understood, and means an hour later."""
    first = ask("02:30")
    mend = first.note.removesuffix(".").rpartition(" ")[2]
    assert ask(mend).at_ms == first.at_ms + HOUR_MS


def test_before_the_second_has_been_there_is_nothing_to_tell_apart() -> None:
    """In the first of two hours only one reading lies in the past."""
    now = round(datetime.fromisoformat("2026-10-25T02:40+02:00").timestamp() * 1000)
    assert ask("02:30", now) == Moment(now - 10 * MINUTE_MS, BERLIN)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "at what time? For example: 14:00, "),
        ("14", "I do not understand the time '14'. For example"),
        ("2pm", "I do not understand the time '2pm'"),
        ("14:00 yesteday", "Did you mean yesterday?"),
        ("14:00 14:00", "I do not understand the time"),
        ("tomorrow 14:00", "I do not understand the time"),
        ("yesterday", "yesterday is not one moment; say at what time, such as 14:00 yesterday"),
        ("last week 14:00", "I do not understand the time"),
        ("last week", "last week is not one moment"),
        ("25:00", "25:00 is not a time of day; they go from 00:00 to 23:59"),
        ("2026-10-20T24:61", "is not a time; write it like"),
        ("2026-10-20T14:00+99:00", "is not a time; write it like"),
        ("2026-02-30 14:00", "2026-02-30 is not in the calendar"),
        ("0001-01-01T00:00:00+14:00", "0001-01-01 is out of range"),
        ("9999-12-31T23:59:59Z", "9999-12-31 is out of range"),
        ("today 18:00", "lies in the future: it is 25 Oct 15:00:30 (Europe/Berlin, UTC+01:00)"),
        ("2026-11-01 10:00", "I know only the past"),
        ("2h", "I do not understand the time '2h'"),
        ("last 2h ago", "'last 2h' is no length of time; write it like 90m ago"),
        ("a while ago", "'a while' is no length of time"),
        ("0m ago", "no time at all"),
        ("999999 weeks ago", "out of range"),
        ("999999999w ago", "too long a duration"),
        ("1" * 101, "at what time?"),
    ],
)
def test_a_mistake_is_named_with_its_mend(text: str, complaint: str) -> None:
    """What is no moment of the past is quoted, and what to write instead is told."""
    with pytest.raises(InvalidInput) as refused:
        ask(text)
    assert complaint in str(refused.value)


def test_a_date_that_a_zone_skipped_is_refused() -> None:
    """Samoa had no 30 December 2011: nothing of it can be asked for."""
    apia = ZoneInfo("Pacific/Apia")
    with pytest.raises(InvalidInput, match=r"2011-12-30 never was in Pacific/Apia.*2011-12-31"):
        ask("2011-12-30 14:00", zone=apia)


@given(
    moments, zones, st.integers(0, 2 * DAY_MS), st.sampled_from(["{d} {c}", "{c} {d}", "{d}T{c}"])
)
@settings(deadline=None)
def test_what_a_clock_showed_is_found_again(
    ms: int, zone: ZoneInfo, later_ms: int, form: str
) -> None:
    """Saying what the wall clock shows gives that minute, or the one an equal reading before."""
    shown = local_time(ms, zone).replace(second=0)
    text = form.format(d=f"{shown:%Y-%m-%d}", c=f"{shown:%H:%M}")
    asked = ask(text, ms + later_ms, zone)
    repeated = shown.fold == 1
    assert (local_time(asked.at_ms, zone) == shown) is not repeated
    assert local_time(asked.at_ms, zone).replace(tzinfo=None) == shown.replace(tzinfo=None, fold=0)
    assert ("twice" in asked.note) >= repeated


CHANGES = st.sampled_from([
    ("Europe/Berlin", "2026-03-29"), ("Europe/Berlin", "2026-10-25"),
    ("America/Sao_Paulo", "2018-11-04"), ("Asia/Beirut", "2022-03-27"),
    ("Africa/Cairo", "2024-04-26"), ("Australia/Lord_Howe", "2026-10-04"),
    ("Australia/Lord_Howe", "2026-04-05"), ("America/St_Johns", "2010-11-07"),
])  # fmt: skip


@given(CHANGES, st.integers(0, 1439))
@settings(deadline=None)
def test_on_days_of_change_every_reading_means_the_first_minute_not_before_it(
    change: tuple[str, str], minute: int
) -> None:
    """An oracle that steps through the minutes of the day by zoneinfo alone finds the same."""
    zone, day = ZoneInfo(change[0]), date.fromisoformat(change[1])
    asked_for = datetime.combine(day, datetime.min.time()) + timedelta(minutes=minute)
    begin = datetime.combine(day, datetime.min.time(), UTC) - timedelta(hours=15)
    walls = [
        ((begin + timedelta(minutes=m)).astimezone(zone).replace(tzinfo=None), m)
        for m in range(54 * 60)  # to the last minute of the day in the furthest west
    ]
    exact = [m for wall, m in walls if wall.replace(fold=0) == asked_for]
    first = exact[0] if exact else next(m for wall, m in walls if wall > asked_for)
    asked = ask(f"{asked_for:%Y-%m-%d %H:%M}", NOW_MS + 2 * DAY_MS, zone)
    assert asked.at_ms == round((begin + timedelta(minutes=first)).timestamp() * 1000)
    assert bool(asked.note) == (len(exact) != 1)


@given(st.text("0123456789:-. dhmswtz+…agonyesterdaytuesday", max_size=60), zones, moments)
@settings(deadline=None)
def test_any_text_is_a_moment_of_the_past_or_a_clear_refusal(
    text: str, zone: ZoneInfo, now: int
) -> None:
    """Whatever is typed gives a moment that has been and can be said, or InvalidInput."""
    try:
        asked = ask(text, now, zone)
    except InvalidInput:
        return
    assert asked.at_ms <= now
    assert zone.key in asked.describe()


@pytest.mark.parametrize(
    ("command", "left", "expected"),
    [
        ("svc-a at 14:00", "svc-a", "14:00"),
        ("svc-a AT 14:00 Yesterday", "svc-a", "14:00 yesterday"),
        ("svc-a yesterday at 14:00", "svc-a", "14:00 yesterday"),
        ("Svc-A 2026-10-20 at 14:00", "Svc-A", "2026-10-20 14:00"),
        ("at monday 09:30", "", "monday 09:30"),
        ("svc-a at 2h ago", "svc-a", "2h ago"),
        ("svc-a 2h ago", "svc-a", "2h ago"),
        ("svc-a 1 day 2 hours ago", "svc-a", "26h ago"),
        ("2fast 2h ago", "2fast", "2h ago"),
        ("at at 14:00", "at", "14:00"),
    ],
)
def test_a_moment_is_taken_off_a_command(command: str, left: str, expected: str) -> None:
    """What stands before the moment stays as it was typed."""
    rest, moment = take_moment(command.split(), now=NOW_MS, zone=BERLIN)
    assert " ".join(rest) == left
    assert moment == ask(expected)


def test_a_command_without_a_moment_stays_whole() -> None:
    """A window is no moment."""
    assert take_moment(["svc-a", "2h"], now=NOW_MS, zone=BERLIN) == (("svc-a", "2h"), None)


def test_it_is_said_with_its_year_and_zone() -> None:
    """An answer about the past can be read a year later, by somebody elsewhere."""
    assert ask("14:00").describe() == "25 Oct 2026 14:00 (Europe/Berlin, UTC+01:00)"
    assert ask("1h ago").describe() == "25 Oct 2026 14:00:30 (Europe/Berlin, UTC+01:00)"
    assert ask("14:00", zone=ZoneInfo("UTC")).describe() == "25 Oct 2026 14:00 (UTC)"
