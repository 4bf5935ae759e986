"""When alerts were pending and firing, as an engine found it; kept when they are over."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database

from pulsebot.rules.engine import Engine
from pulsebot.settings import Retention
from pulsebot.store import spells, upkeep
from pulsebot.store.database import Connection, connect, migrate
from pulsebot.store.schema import migrations
from pulsebot.store.spells import Spell
from pulsebot.window import DAY_MS
from tests.rules.samples import MINUTE, NOON_MS, feed, rule, status

UNWELL = {"type": "state", "bad": ["down"], "fail_after": 2, "ok_after": 1}


@pytest.fixture
def past(connection: Connection) -> Connection:
    """Give a past: pending 12:00 and dropped 12:01; pending 12:02, firing 12:03, over 12:05."""
    engine = Engine([rule("unwell", when={"kind": "status"}, condition=UNWELL)])
    states = ("down", "up", "down", "down", "down", "up")
    found = feed(engine, *(status(n * MINUTE, state) for n, state in enumerate(states)))
    spells.add(connection, found)
    spells.add(connection, found)
    return connection


def shown(spell: Spell) -> tuple[str, int, int | None, str | None]:
    """Return what became of an alert, in minutes after noon."""
    since, until = spell.since_ms - NOON_MS, spell.until_ms and spell.until_ms - NOON_MS
    return spell.state, since // MINUTE, until and until // MINUTE, spell.became


@pytest.mark.parametrize(
    ("minute", "expected"),
    [
        (-1, []),
        (0, [("pending", 0, 1, "dropped")]),
        (1, []),
        (2, [("pending", 2, 3, "firing")]),
        (3, [("firing", 3, 5, "resolved")]),
        (4, [("firing", 3, 5, "resolved")]),
        (5, []),
    ],
)
def test_a_moment_shows_what_was_pending_or_firing(
    past: Connection, minute: int, expected: list[tuple[str, int, int, str]]
) -> None:
    """From its beginning on and no longer at its end; one that never fired is not forgotten."""
    found = spells.at(past, NOON_MS + minute * MINUTE, "svc-a")
    assert [shown(spell) for spell in found] == expected
    assert spells.at(past, NOON_MS + minute * MINUTE, "svc-b") == []


def test_why_it_fired_outlives_its_end(past: Connection) -> None:
    """The reasons of firing and of ending are kept apart."""
    [spell] = spells.at(past, NOON_MS + 4 * MINUTE)
    assert (spell.rule, spell.severity, spell.service) == ("unwell", "critical", "svc-a")
    assert spell.reason != spell.ending
    assert "down" in spell.reason


@pytest.mark.parametrize(
    ("start", "end", "found"), [(0, 3, 0), (0, 4, 1), (4, 5, 1), (5, 9, 1), (6, 9, 0)]
)
def test_a_window_holds_what_was_firing_at_any_time_of_it(
    past: Connection, start: int, end: int, found: int
) -> None:
    """Also what began before it or ended after it."""
    window = (NOON_MS + start * MINUTE, NOON_MS + end * MINUTE)
    assert len(spells.fired_within(past, *window)) == found


def test_what_is_over_is_forgotten_after_its_time_and_what_is_open_never(
    connection: Connection,
) -> None:
    """An alert that has fired for longer than alerts are kept still fires."""
    engine = Engine([rule("unwell", when={"kind": "status"}, condition=UNWELL)])
    fed = [status(0, "down"), status(MINUTE, "down")]
    others = [status(n * MINUTE, s, instance="b") for n, s in enumerate(("down", "down", "up"))]
    spells.add(connection, feed(engine, *fed, *others))
    while upkeep.piece(connection, Retention(alerts=1), NOON_MS + 9 * DAY_MS):
        pass
    left = spells.at(connection, NOON_MS + 9 * DAY_MS)
    assert [shown(spell) for spell in left] == [("firing", 1, None, None)]
    assert spells.at(connection, NOON_MS + MINUTE) == left


def test_alerts_of_an_older_file_have_their_spells(tmp_path: Path) -> None:
    """What the columns of an alert still tell is carried over; a lost reason is left empty."""
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as opened:
        migrations.apply(Database(opened), stop_before="what_alerts_were")
        opened.executemany(
            "INSERT INTO alert VALUES (?, 'r', '[]', 'svc', 'info', ?, ?, ?, ?, 1, 'why', '[]')",
            [
                ("a", "resolved", 1, 2, 5),
                ("b", "firing", 3, 3, None),
                ("c", "pending", 4, None, None),
            ],
        )
        opened.commit()
    with closing(connect(path)) as connection:
        migrate(connection, path)
        told = [(s.alert, s.state, s.until_ms, s.reason) for s in spells.at(connection, 4)]
        assert told == [
            ("b", "firing", None, "why"), ("a", "firing", 5, ""), ("c", "pending", None, "why"),
        ]  # fmt: skip
        [pending] = spells.at(connection, 1)
        assert (pending.state, pending.until_ms, pending.became) == ("pending", 2, "firing")
