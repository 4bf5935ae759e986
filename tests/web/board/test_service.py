"""The page of one service says why alerts were or were not sent, and what came of it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from markupsafe import Markup

from pulsebot import event as events
from pulsebot.event import CrashData, State, StatusData
from pulsebot.ruleset import load_rules
from pulsebot.store import outbox
from pulsebot.web.board.base import Scene
from pulsebot.web.board.roster import Roster
from pulsebot.web.board.service import Service
from pulsebot.web.board.vitals import Rates, Vitals
from tests.fakes.world import World, world

RULES = """\
version: 1
rules:
  - {id: crashed, when: {kind: crash}, condition: {type: any}, severity: critical}
  - {id: unwell, when: {kind: status}, severity: info,
     condition: {type: state, bad: [down], fail_after: 1, ok_after: 1, by: [service]}}
routes:
  - {match: {severity: critical}, to: [console], then: stop}
"""
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def ms(moment: datetime) -> int:
    """Return a time in milliseconds."""
    return round(moment.timestamp() * 1000)


def text(cell: str) -> str:
    """Return what a cell says, without its markup: a blank between any two elements."""
    return " ".join(Markup(str(cell).replace("<", " <")).striptags().split())  # noqa: S704 - it is markup


def drawn(made: World, now: datetime) -> dict[str, str]:
    """Return what each section of the page of svc-a says."""
    roster = Roster(ZoneInfo("UTC"))
    roster.refresh(made.connection, ms(now), None)
    vitals = Vitals(ms(now), 0, 0, 0, 0, 0, {}, {}, True, None, {}, {}, {})
    picture = Service("svc-a").draw(made.connection, Scene(ms(now), roster, vitals, Rates()))
    return {name: text(cell) for name, cell in picture.cells.items()}


@pytest.fixture
def told(tmp_path: Path) -> Iterator[World]:
    """Give a world in which svc-a was down, and crashed a minute later."""
    (tmp_path / "rules.yaml").write_text(RULES)
    with world(
        tmp_path / "bot.db", load_rules([tmp_path / "rules.yaml"], chats={"console": None})
    ) as made:
        down = StatusData(state=State.DOWN, reason="no answer")
        made.tell(events.status("svc-a", NOON, down, instance="one"))
        crash = CrashData(error="KeyError", message="'id'", stack="Traceback\n  line 3")
        made.tell(events.crash("svc-a", NOON + timedelta(minutes=1), crash))
        yield made


def test_what_was_sent_and_what_was_not_is_told_with_the_reason(told: World) -> None:
    """A message under way, sent or given up is told by receiver; so is that nobody was told."""
    later = NOON + timedelta(minutes=2)
    assert "→ console : pending" in drawn(told, later)["alerts"]
    [row] = outbox.heads(told.connection)
    outbox.give_up(told.connection, row.seq, "the channel is gone")
    assert "→ console : failed ( the channel is gone )" in drawn(told, later)["alerts"]
    outbox.sent(told.connection, row.seq, ms(later), ("console", "1"))
    said = drawn(told, later)["alerts"]
    assert "→ console : sent 23 Nov 12:02:00" in said
    assert "firing unwell info" in said
    assert "unwell fired: not told" in said


def test_states_and_crashes_are_shown_with_their_times(told: World) -> None:
    """The instance, its reason, the crash with its stack; a page at rest is not drawn anew."""
    said = drawn(told, NOON + timedelta(minutes=2))
    assert "last hour" in said["states"]  # before that nobody had heard of it
    assert "down 23 Nov 12:00 to now: no answer" in said["states"]
    assert "one down 12:00" in said["states"]
    assert "1× KeyError" in said["crashes"]
    assert "Traceback line 3" in said["crashes"]
