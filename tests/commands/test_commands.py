from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pulsebot import event as events
from pulsebot.commands.base import Question
from pulsebot.commands.table import COMMANDS
from pulsebot.errors import InvalidInput
from pulsebot.event import CrashData, MessageData, State, StatusData, TriggerData
from pulsebot.message import Fields, Message, Note, Table, plain
from tests.fakes.world import World, world

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 23, 14, 5, tzinfo=BERLIN)


@pytest.fixture
def past(tmp_path: Path) -> Iterator[World]:
    """Give a database in which svc-a was triggered, crashed and restarted, and svc-b is quiet."""
    with world(tmp_path / "pulsebot.db") as made:
        early = datetime(2026, 11, 23, 0, 30, tzinfo=BERLIN)
        yesterday = early - timedelta(hours=1)
        made.tell(
            events.trigger("svc-a", yesterday, TriggerData(count=10)),
            events.trigger("svc-a", early, TriggerData(count=2)),
            events.trigger("svc-a", NOW - timedelta(minutes=1)),
            events.crash("svc-a", early, CrashData(error="KeyError", stack="Traceback: x")),
            events.crash("svc-a", yesterday, CrashData(error="KeyError", stack="Traceback: x")),
            *(
                events.status("svc-a", early + timedelta(minutes=m), StatusData(state=State(s)))
                for m, s in enumerate(["up", "down", "up"])
            ),
            events.status("svc-b", NOW, StatusData(state=State.DEGRADED, reason="slow")),
            events.message("svc-b", NOW, MessageData(text="stock is low", level="warning")),
        )
        yield made


def ask(past: World, text: str, behind: int = 0) -> Message:
    """Ask one command, from Berlin."""
    name, *words = text.split()
    now_ms = round(NOW.timestamp() * 1000)
    question = Question(tuple(words), now_ms, BERLIN, behind)
    return COMMANDS[name].answer(past.connection, question)


def table(message: Message) -> Table:
    """Return the first table of a reply."""
    return next(part for part in message.parts if isinstance(part, Table))


def test_triggers_today_counts_the_asker_s_day(past: World) -> None:
    """Half past midnight in Berlin is today there, though still yesterday in UTC."""
    reply = ask(past, "triggers svc-a today")
    assert reply.title == "svc-a: 3 triggers today"
    notes = [part.text for part in reply.parts if isinstance(part, Note)]
    assert notes == ["23 Nov 00:00 – now 14:05 (Europe/Berlin, UTC+01:00)"]


def test_triggers_without_a_window_means_today(past: World) -> None:
    """The default window is today."""
    assert ask(past, "triggers svc-a").title == "svc-a: 3 triggers today"


def test_triggers_over_a_date(past: World) -> None:
    """A date is a whole civil day of the asker."""
    assert ask(past, "triggers svc-a 2026-11-22").title == "svc-a: 10 triggers on 2026-11-22"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("triggers", "which service"),
        ("triggers svc-c", "did you mean svc-b or svc-a"),
        ("triggers svc-a tody", "Did you mean today"),
        ("crashes svc-c", "did you mean"),
        ("status nothing-like-it", "there are svc-a, svc-b"),
    ],
)
def test_mistakes_are_named_with_the_mend(past: World, text: str, says: str) -> None:
    """A misspelt service or window is answered with what is near."""
    with pytest.raises(InvalidInput, match=says):
        ask(past, text)


def test_service_names_are_found_in_any_case(past: World) -> None:
    """Somebody on a phone types a capital letter."""
    assert ask(past, "triggers SVC-A").title == "svc-a: 3 triggers today"


def test_crashes_of_all_and_of_one(past: World) -> None:
    """Without a service all are counted; with one, its errors, and the newest stack."""
    assert ask(past, "crashes").title == "1 crash today in 1 service"
    assert ask(past, "crashes 7d").title == "2 crashes in the last 7d in 1 service"
    one = ask(past, "crashes svc-a 7d")
    assert one.title == "svc-a: 2 crashes in the last 7d"
    assert table(one).rows[0][:2] == ("KeyError", "2")
    assert "Traceback: x" in plain(one)


def test_crashes_by_error_count_only_the_window(past: World) -> None:
    """A group's count is that of the window, not of all time."""
    assert table(ask(past, "crashes svc-a today")).rows[0][1] == "1"


def test_status_puts_trouble_first(past: World) -> None:
    """The degraded service comes before the one that is up."""
    reply = ask(past, "status")
    assert [row[:2] for row in table(reply).rows] == [("svc-b", "degraded"), ("svc-a", "up")]
    assert reply.title == "2 services, 1 in trouble"


def test_status_of_one_tells_its_instances_and_changes(past: World) -> None:
    """One service: its counts of today, its instances and how it came to this."""
    said = plain(ask(past, "status svc-a"))
    assert "svc-a is up" in said
    assert "triggers today: 3" in said
    assert "restarts today: 1" in said
    assert "down → up" in said


def test_status_marks_what_was_not_heard_of(past: World) -> None:
    """An instance silent for long is marked as stale."""
    assert "(stale)" in plain(ask(past, "status svc-a"))
    assert "(stale)" not in plain(ask(past, "status svc-b"))


def test_unstable_ranks_crashes_restarts_and_changes(past: World) -> None:
    """Only what crashed, restarted or flapped is unstable."""
    assert table(ask(past, "unstable this week")).rows == (("svc-a", "1", "1", "2"),)


def test_being_behind_is_said(past: World) -> None:
    """Numbers that are not complete yet say so."""
    assert "1,200 records are not counted yet" in plain(ask(past, "triggers svc-a", behind=1200))
    assert "not counted" not in plain(ask(past, "triggers svc-a"))


def test_help_names_every_command(past: World) -> None:
    """Each command stands in the help with a line of its own."""
    items = next(part.items for part in ask(past, "help").parts if isinstance(part, Fields))
    assert [usage.split()[0] for usage, _ in items] == [f"/{name}" for name in COMMANDS]
    assert all(text for _, text in items)


def test_clock_trouble_is_told(past: World) -> None:
    """Events with absurd times count when they arrived, and the service's status says so."""
    wrong = events.trigger("svc-c", datetime(2031, 1, 1, tzinfo=BERLIN))
    record = past.record(wrong)
    arrived = type(record)(record.value, round(NOW.timestamp() * 1000) - 1000, record.offset)
    past.apply([arrived])
    assert ask(past, "triggers svc-c").title == "svc-c: 1 trigger today"
    assert "1 event had an absurd time and counted when it arrived" in plain(
        ask(past, "status svc-c")
    )


def test_triggers_compare_with_the_same_hours_before(past: World) -> None:
    """Today until now is compared with yesterday until the same hour."""
    fields = ask(past, "triggers svc-a 2026-11-22").parts[0]
    assert "the day before: 0 (new)" in plain(Message("", (fields,)))
    today = plain(ask(past, "triggers svc-a today"))
    assert "the day before: 0 (new)" in today  # yesterday's ten came after this hour
    assert "by hour: █▁▁▁▁▁▁▁▁▁▁▁▁▁▅" in today
    week = plain(ask(past, "triggers svc-a 7d"))
    assert "7 days before: 0 (new)" in week
    assert "by day:" in week


@pytest.mark.parametrize(
    ("now", "window", "said"),
    [
        ("2026-10-26T12:00", "yesterday", "the day before:"),  # it had 25 hours
        ("2026-03-30T12:00", "yesterday", "the day before:"),  # 23 hours
        ("2026-10-26T12:00", "7d", "7 days before:"),
        ("2026-11-23T08:58:30", "7d", "7 days before:"),  # counted by whole minutes
        ("2026-11-23T08:58:30", "25h", "2 days before:"),
    ],
)
def test_the_window_before_is_as_many_days_ago(
    past: World, now: str, window: str, said: str
) -> None:
    """Neither a change of the clocks nor whole minutes make a day more of a window."""
    now_ms = round(datetime.fromisoformat(now).replace(tzinfo=BERLIN).timestamp() * 1000)
    reply = COMMANDS["triggers"].answer(
        past.connection, Question(("svc-a", window), now_ms, BERLIN)
    )
    assert f"\n{said}" in plain(reply)


def test_old_windows_are_of_whole_quarter_hours(past: World) -> None:
    """Where only quarter hours are left, a range is widened to them, and nothing is missed."""
    text = "triggers svc-a 2026-11-22 23:35..2026-11-22 23:40"
    name, *words = text.split()
    now_ms = round(NOW.timestamp() * 1000)
    fine = Question(tuple(words), now_ms, BERLIN)
    rolled = Question(tuple(words), now_ms, BERLIN, fine_since_ms=now_ms - now_ms % 900_000)
    assert COMMANDS[name].answer(past.connection, fine).title.startswith("svc-a: 0 triggers")
    assert COMMANDS[name].answer(past.connection, rolled).title.startswith("svc-a: 10 triggers")
