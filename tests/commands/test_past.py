import contextlib
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pulsebot import event as events
from pulsebot.commands.base import Question
from pulsebot.commands.table import COMMANDS
from pulsebot.errors import InvalidInput
from pulsebot.event import Event, MessageData, State, StatusData
from pulsebot.message import Message, Table, plain
from pulsebot.ruleset import load_rules
from pulsebot.settings import Retention
from pulsebot.store import upkeep
from tests.fakes.world import World, world

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 23, 14, 5, tzinfo=BERLIN)
RULES = """
version: 1
rules:
  - id: unwell
    when: {kind: status}
    condition: {type: state, bad: [down], fail_after: 2, ok_after: 1}
    severity: critical
routes:
  - {match: {service: [svc-a]}, to: [console], then: stop}
"""


STATUSES = (
    ("svc-a", 9, 0, "up"),
    ("svc-a", 12, 0, "down"),
    ("svc-a", 12, 5, "down"),
    ("svc-a", 12, 30, "up"),
    ("svc-b", 13, 0, "down"),
    ("svc-b", 13, 5, "down"),
    ("svc-b", 14, 0, "down"),
    ("svc-a", 14, 4, "up"),
)


def status_of(service: str, hour: int, minute: int, state: str) -> Event:
    """Return a status of today."""
    at = NOW.replace(hour=hour, minute=minute)
    data = StatusData(state=State(state), reason="because" if state == "down" else None)
    return events.status(service, at, data, instance="i-1")


@pytest.fixture
def past(tmp_path: Path) -> Iterator[World]:
    """Give a past in which svc-a was down from 12:00 to 12:30 and svc-b has been since 13:00.

    The second status in a row makes it an alert; svc-b's goes to nobody.
    """
    (tmp_path / "rules.yaml").write_text(RULES)
    ruleset = load_rules([tmp_path / "rules.yaml"], chats={"console": None})
    with world(tmp_path / "pulsebot.db", ruleset) as made:
        said = MessageData(text="stock is low", title="Shop", level="warning")
        made.tell(events.message("svc-b", NOW - timedelta(days=1), said))
        for told in STATUSES:
            made.tell(status_of(*told))
        yield made


def ask(past: World, text: str) -> Message:
    """Ask one command, from Berlin."""
    name, *words = text.split()
    now_ms = round(NOW.timestamp() * 1000)
    question = Question(tuple(words), now_ms, BERLIN)
    return COMMANDS[name].answer(past.connection, question)


def rows(message: Message) -> list[tuple[str, ...]]:
    """Return the rows of a reply's table."""
    return [row for part in message.parts if isinstance(part, Table) for row in part.rows]


@pytest.mark.parametrize(
    ("text", "title", "states"),
    [
        ("status svc-a at 12:15", "svc-a was down at 23 Nov 2026 12:15 (Europe/Berlin, UTC+01:00)",
         ["down"]),
        ("status svc-a at 12:30", "svc-a was up at 23 Nov 2026 12:30", ["up"]),
        ("status svc-a today at 12:15", "svc-a was down at 23 Nov 2026 12:15", ["down"]),
        ("status SVC-A at 2026-11-23T11:10:00Z", "svc-a was down at 23 Nov 2026 12:10", ["down"]),
        ("status at 1h ago", "2 services: 1 in trouble at 23 Nov 2026 13:05", ["down", "up"]),
        ("status 1h ago", "2 services: 1 in trouble at 23 Nov 2026 13:05", ["down", "up"]),
        ("status at 12:30", "1 service: all well at 23 Nov 2026 12:30", ["up"]),
        ("status at 14:00 yesterday", "no status is known at 22 Nov 2026 14:00", []),
        ("status svc-b at 12:00", "svc-b: no status is known at 23 Nov 2026 12:00", []),
    ],
)  # fmt: skip
def test_status_of_a_moment(past: World, text: str, title: str, states: list[str]) -> None:
    """What was known then, since when, in the asker's zone; never guessed."""
    reply = ask(past, text)
    assert reply.title.startswith(title)
    assert [row[2] for row in rows(reply)] == states


def test_the_status_of_a_moment_is_that_which_was_told_then(past: World, tmp_path: Path) -> None:
    """Asking then and asking now about then give the same states."""
    asked = [NOW.replace(hour=hour, minute=minute) for hour in range(9, 15) for minute in (0, 4)]
    then = {at: states(ask(past, f"status at {at:%H:%M}")) for at in asked}
    upcoming = [status_of(*told) for told in STATUSES]
    with world(tmp_path / "again.db") as again:
        for at in asked:
            while upcoming and upcoming[0].time <= at:
                again.tell(upcoming.pop(0))
            assert states(ask(again, "status at now")) == then[at]


def states(message: Message) -> list[tuple[str, ...]]:
    """Return service, instance, state and since when."""
    return [row[:4] for row in rows(message)]


def test_who_was_heard_of_later_is_said(past: World) -> None:
    """An instance whose first status came after the moment is not invented, but counted."""
    reply = ask(past, "status at 12:15")
    assert rows(reply) == [("svc-a", "i-1", "down", "23 Nov 12:00", "because")]
    assert (
        "1 instance told no status until later: from 23 Nov 2026 13:00 (Europe/Berlin, UTC+01:00)"
        " on." in plain(reply)
    )


def test_a_state_that_was_not_heard_of_again_is_not_vouched_for(past: World) -> None:
    """Whether svc-b is still down five minutes after its last word, nobody knows."""
    [row] = rows(ask(past, "status svc-b at 14:03"))
    assert row[4] == "because; not heard of after 23 Nov 14:00"


def test_what_is_not_kept_any_more_is_said(past: World) -> None:
    """Where upkeep has deleted the history, the answer names the day that it begins."""
    later_ms = round((NOW + timedelta(days=90)).timestamp() * 1000)
    while upkeep.piece(past.connection, Retention(), later_ms):
        pass
    before = ask(past, "status svc-a at 10:00")
    assert before.title.startswith("svc-a: no status is known")
    kept = "23 Nov 2026 14:00 (Europe/Berlin, UTC+01:00)"
    assert f"Of 1 instance nothing before {kept} is kept." in plain(before)
    assert f"Alerts before {kept} are not kept." in plain(ask(past, "alerts at 12:10"))
    assert "Messages before 22 Jan 2027" in plain(ask(past, "messages yesterday"))


def test_who_was_told_outlives_why(past: World) -> None:
    """Decisions are kept for a month, alerts for three: the answer tells what is left."""
    later_ms = round((NOW + timedelta(days=60)).timestamp() * 1000)
    while upkeep.piece(past.connection, Retention(), later_ms):
        pass
    told = [row[6] for row in rows(ask(past, "alerts today"))]
    assert told == ["nobody; why is not kept any more", "console; why is not kept any more"]


def test_what_the_clocks_did_to_the_moment_is_noted(past: World) -> None:
    """02:30 came twice in Berlin on 25 October; the answer says which one it is about."""
    assert "showed 02:30 twice" in plain(ask(past, "status at 2026-10-25 02:30"))
    assert "skipped 02:30" in plain(ask(past, "alerts at 2026-03-29 02:30"))


def test_alerts_that_are_firing(past: World) -> None:
    """Since when, why, and why nobody was told."""
    now = ask(past, "alerts")
    assert now.title == "1 alert is firing"
    assert ask(past, "status").title.endswith(", 1 alert firing")
    [row] = rows(now)
    assert row[:5] == ("svc-b", "unwell", "critical", "23 Nov 13:05", "–")
    assert row[6] == "nobody; no route matched"
    assert ask(past, "alerts svc-a").title == "nothing of svc-a is firing"


def test_alerts_of_a_window(past: World) -> None:
    """All that were firing at any time of it, what still fires first."""
    today = ask(past, "alerts today")
    assert today.title == "2 alerts today"
    assert [row[0] for row in rows(today)] == ["svc-b", "svc-a"]
    assert ask(past, "alerts svc-a 12:10..12:20").title == "1 alert of svc-a 12:10..12:20"
    assert ask(past, "alerts yesterday").title == "no alert yesterday"


def test_alerts_of_a_moment(past: World) -> None:
    """What was firing then: why it fired (not why it ended), until when, and who was told."""
    then = ask(past, "alerts svc-a at 12:10")
    when = "23 Nov 2026 12:10 (Europe/Berlin, UTC+01:00)"
    assert then.title == f"1 alert of svc-a was firing at {when}"
    [row] = rows(then)
    assert row[3:5] == ("23 Nov 12:05", "23 Nov 12:30")
    assert row[5] == "down, 2 in a row (fires at 2)"
    assert row[6] == "console (pending); matched route 1"


def test_before_the_first_event_no_alert_is_denied(past: World) -> None:
    """Nothing was firing as far as is known, and the answer says how far that is."""
    first = "My first event is of 22 Nov 2026 14:05 (Europe/Berlin, UTC+01:00)."
    then = plain(ask(past, "alerts at 14:00 2026-11-20"))
    assert "nothing was firing at 20 Nov 2026 14:00" in then
    assert first in then
    assert first in plain(ask(past, "status at 14:00 2026-11-20"))
    assert "My first event" not in plain(ask(past, "alerts at 12:10"))


def test_an_alert_that_was_pending_at_a_moment(past: World) -> None:
    """It was not firing yet; what became of it is said."""
    then = ask(past, "alerts at 12:02")
    assert then.title.startswith("nothing was firing, 1 pending, at 23 Nov")
    [row] = rows(then)
    assert row[3:5] == ("23 Nov 12:00", "23 Nov 12:05 (firing)")
    assert row[6] == "nobody; not yet: it has to last"


def test_messages_of_a_window(past: World) -> None:
    """What apps said, with its title, and nothing outside the window."""
    assert ask(past, "messages").title == "no message today"
    reply = ask(past, "messages svc-b yesterday")
    assert reply.title == "1 message from svc-b yesterday"
    assert rows(reply) == [("22 Nov 14:05", "svc-b", "warning", "Shop: stock is low")]


def test_help_tells_how_to_say_a_time() -> None:
    """Windows and times have examples there."""
    with contextlib.closing(sqlite3.connect(":memory:")) as nothing:
        said = plain(COMMANDS["help"].answer(nothing, Question((), 0, BERLIN)))
    assert "Times: 14:00, 14:00 yesterday, " in said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("status svc-a at", "at what time"),
        ("status svc-a at 25:00", "25:00 is not a time of day"),
        ("status svc-a at tomorrow", "I do not understand the time"),
        ("status svc-a yesterday", "for a moment of the past say: at 14:00 yesterday"),
        ("status svc-a svc-b at 12:00", "I do not understand 'svc-b'"),
        ("alerts today at 12:00..13:00", "I do not understand the time"),
        ("alerts svc-a today 2h ago", "I do not understand 'today'"),
        ("status svc-a at yesterday", "yesterday is not one moment; say at what time"),
        ("status svc-a at 2027-01-01 10:00", "lies in the future"),
        ("status svc-x at 12:00", "did you mean svc-"),
        ("alerts svc-x", "did you mean svc-"),
        ("alerts svc-a tody", "Did you mean today"),
    ],
)
def test_what_is_no_moment_is_refused(past: World, text: str, says: str) -> None:
    """The fault is named, with an example or the nearest word."""
    with pytest.raises(InvalidInput, match=says):
        ask(past, text)
