from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsebot.civil import EPOCH
from pulsebot.digest import WEEKDAYS, Day, ServiceDay, due, render
from pulsebot.message import plain

BERLIN = ZoneInfo("Europe/Berlin")
NINE = time(9)


def at(text: str) -> datetime:
    """Return a moment."""
    return datetime.fromisoformat(text)


def due_date(now: datetime, when: time, zone: ZoneInfo, days: Collection[str]) -> date | None:
    """Return the date whose digest is due."""
    found = due((now - EPOCH) // timedelta(milliseconds=1), when, zone, days)
    return found.date if found else None


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-11-23T08:59:59+01:00", None),
        ("2026-11-23T09:00:00+01:00", date(2026, 11, 23)),
        ("2026-11-23T23:59:59+01:00", date(2026, 11, 23)),
        ("2026-11-24T00:00:00+01:00", None),
        ("2026-11-22T12:00:00+01:00", None),  # a Sunday
    ],
)
def test_due_from_its_time_to_the_end_of_its_date(now: str, expected: date | None) -> None:
    """A missed digest is late on the same day; the next day it is no news any more."""
    assert due_date(at(now), NINE, BERLIN, WEEKDAYS[:5]) == expected


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-11-27T23:49:59+01:00", None),
        ("2026-11-28T00:10:00+01:00", date(2026, 11, 27)),  # a Saturday: nothing else is due
        ("2026-11-28T05:49:59+01:00", date(2026, 11, 27)),
        ("2026-11-28T05:50:00+01:00", None),
        ("2026-11-25T00:10:00+01:00", date(2026, 11, 24)),
    ],
)
def test_a_late_digest_is_due_beyond_midnight(now: str, expected: date | None) -> None:
    """A bot that was down for the last minutes of a date makes up for it within hours."""
    assert due_date(at(now), time(23, 50), BERLIN, WEEKDAYS[:5]) == expected


def test_a_time_that_is_skipped_is_due_right_after_the_gap() -> None:
    """On the day without 02:30, the digest of 02:30 comes at three."""
    half_past_two = time(2, 30)
    assert due_date(at("2026-03-29T00:59:59+00:00"), half_past_two, BERLIN, WEEKDAYS) is None
    gap_end = at("2026-03-29T01:00:00+00:00")
    assert due_date(gap_end, half_past_two, BERLIN, WEEKDAYS) == date(2026, 3, 29)


@given(
    st.times(),
    st.sampled_from(
        [
            ("Europe/Berlin", "2026-03-28"),
            ("Europe/Berlin", "2026-10-24"),
            ("Europe/Berlin", "2026-11-20"),
            ("America/Nuuk", "2026-03-27"),  # the last hour of a Saturday is skipped
            ("Africa/Cairo", "2026-04-22"),  # the first hour of a Friday is skipped
        ]
    ),
)
def test_every_local_date_gets_its_digest_once(when: time, place: tuple[str, str]) -> None:
    """Walking minute by minute over a change of clocks, each date becomes due, in order."""
    zone, start = ZoneInfo(place[0]), at(f"{place[1]}T00:00:00+00:00")
    dues = [due_date(start + timedelta(minutes=m), when, zone, WEEKDAYS) for m in range(4 * 1440)]
    seen = list(dict.fromkeys(due for due in dues if due))
    assert seen == sorted(seen)
    assert seen[-1] - seen[0] == timedelta(days=len(seen) - 1)
    assert len(seen) >= 4


def day(**more: object) -> Day:
    """Make a day to tell of."""
    given_ = {
        "date": date(2026, 11, 22),
        "zone": BERLIN,
        "services": (ServiceDay("svc-a", 120, 100, 2, 0), ServiceDay("svc-b", 0, 5, 0, 0)),
        "unstable": (("svc-a", 2, 1, 4),),
        "troubled": (("svc-c", "down", "3 h"),),
        "well": 7,
    }
    return Day(**given_ | more)  # type: ignore[arg-type]


def test_tells_each_service_with_its_change() -> None:
    """Triggers and crashes stand beside those of the day before."""
    said = plain(render("daily", day(), ["triggers", "crashes", "unstable", "status"]))
    assert "Sunday: 120 triggers, 2 crashes in 2 services" in said
    assert "+20 %" in said
    assert "-100 %" in said
    assert "svc-c" in said
    assert "7 services up" in said
    assert "Sunday 22 Nov 2026 in Europe/Berlin" in said


def test_only_what_is_included_is_told() -> None:
    """A digest of triggers says nothing of status."""
    said = plain(render("daily", day(), ["triggers"]))
    assert "svc-c" not in said
    assert "status changes" not in said


def test_an_empty_day_is_said_to_be_empty() -> None:
    """Nothing happened is news too."""
    said = plain(
        render("daily", day(services=(), unstable=(), troubled=()), ["triggers", "status"])
    )
    assert "Nothing was triggered and nothing crashed." in said
    assert "none in trouble" in said


def test_a_long_list_says_how_much_is_left_out() -> None:
    """More services than fit are counted, not dropped silently."""
    many = tuple(ServiceDay(f"s{i}", i, 0, 0, 0) for i in range(40))
    assert "… and 15 more" in plain(render("daily", day(services=many), ["triggers"]))


def test_now_is_an_argument() -> None:
    """The same moment in another zone may be another date."""
    late = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
    assert due_date(late, time(0), BERLIN, WEEKDAYS) == date(2026, 11, 24)
