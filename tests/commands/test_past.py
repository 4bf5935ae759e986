from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pulsebot import event as events
from pulsebot.commands.base import Question
from pulsebot.commands.table import COMMANDS
from pulsebot.errors import InvalidInput
from pulsebot.event import MessageData, State, StatusData
from pulsebot.message import Message, Table, plain
from pulsebot.ruleset import load_rules
from tests.fakes.world import World, world

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 23, 14, 5, tzinfo=BERLIN)
RULES = """
version: 1
rules:
  - id: unwell
    when: {kind: status}
    condition: {type: state, bad: [down], fail_after: 1, ok_after: 1}
    severity: critical
routes:
  - {match: {service: [svc-a]}, to: [console], then: stop}
"""


@pytest.fixture
def past(tmp_path: Path) -> Iterator[World]:
    """Give a past in which svc-a was down from 12:00 to 12:30 and svc-b has been since 13:00."""
    (tmp_path / "rules.yaml").write_text(RULES)
    ruleset = load_rules([tmp_path / "rules.yaml"], chats={"console"})
    with world(tmp_path / "pulsebot.db", ruleset) as made:
        for service, hour, minute, state in (
            ("svc-a", 9, 0, "up"),
            ("svc-a", 12, 0, "down"),
            ("svc-a", 12, 30, "up"),
            ("svc-b", 13, 0, "down"),
        ):
            at = NOW.replace(hour=hour, minute=minute)
            data = StatusData(state=State(state), reason="because" if state == "down" else None)
            made.tell(events.status(service, at, data, instance="i-1"))
        said = MessageData(text="stock is low", title="Shop", level="warning")
        made.tell(events.message("svc-b", NOW - timedelta(days=1), said))
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
        ("status svc-a at 12:15", "svc-a: in trouble at 23 Nov 12:15 (Europe/Berlin)", ["down"]),
        ("status svc-a at 12:30", "svc-a: all well at 23 Nov 12:30 (Europe/Berlin)", ["up"]),
        ("status svc-a at 2026-11-23T11:10:00Z", "svc-a: in trouble at 23 Nov 12:10", ["down"]),
        ("status at 1h ago", "2 services: 1 in trouble at 23 Nov 13:05", ["down", "up"]),
        ("status 1h ago", "2 services: 1 in trouble at 23 Nov 13:05", ["down", "up"]),
        ("status at 14:00 yesterday", "0 services: no status is known at 22 Nov 14:00", []),
    ],
)
def test_status_of_a_moment(past: World, text: str, title: str, states: list[str]) -> None:
    """What was known then, since when, in the asker's zone; never guessed."""
    reply = ask(past, text)
    assert reply.title.startswith(title)
    assert [row[2] for row in rows(reply)] == states


def test_who_was_heard_of_later_is_said(past: World) -> None:
    """An instance whose first status came after the moment is not invented, but counted."""
    reply = ask(past, "status at 12:15")
    assert "1 instance sent the first status after that." in plain(reply)
    assert rows(reply) == [("svc-a", "i-1", "down", "23 Nov 12:00", "because")]


def test_alerts_now_in_a_window_and_at_a_moment(past: World) -> None:
    """Firing ones, those that fired, those that were firing; who was told or why nobody was."""
    now = ask(past, "alerts")
    assert now.title == "1 alert is firing"
    assert [row[:3] for row in rows(now)] == [("svc-b", "unwell", "critical")]
    assert "nobody: " in rows(now)[0][5]
    today = ask(past, "alerts today")
    assert today.title == "2 alerts fired today"
    then = ask(past, "alerts svc-a at 12:10")
    assert then.title == "1 alert of svc-a was firing at 23 Nov 12:10 (Europe/Berlin)"
    [row] = rows(then)
    assert row[3:6] == ("23 Nov 12:00", "23 Nov 12:30", "console")
    assert ask(past, "alerts svc-a").title == "nothing of svc-a is firing"


def test_messages_of_a_window(past: World) -> None:
    """What apps said, with its title, and nothing outside the window."""
    assert ask(past, "messages").title == "no message today"
    reply = ask(past, "messages svc-b yesterday")
    assert reply.title == "1 message from svc-b yesterday"
    assert rows(reply) == [("22 Nov 14:05", "svc-b", "warning", "Shop: stock is low")]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("status svc-a at", "at what time"),
        ("status svc-a at 25:00", "25:00 is not a time of day"),
        ("status svc-a at tomorrow", "I do not understand"),
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
