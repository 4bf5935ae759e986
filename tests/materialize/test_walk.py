from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pulsebot import app
from pulsebot import event as events
from pulsebot.event import Event, TriggerData, encode
from pulsebot.materialize.desk import Desk
from pulsebot.settings import Settings
from pulsebot.store import viewcatalog
from pulsebot.store.database import Connection, connect
from pulsebot.stream.base import Outgoing
from pulsebot.stream.config import LocalStream, Topics
from pulsebot.stream.open import open_writer
from pulsebot.views.place import InvalidSql
from tests.fakes.world import NO_RULES

SEED = """CREATE TABLE TRIGGER_PER_DAY AS
SELECT SERVICE_ID, COUNT(*) FROM SERVICE_TRIGGER
WINDOW TUMBLING (SIZE 1 DAY)
GROUP BY SERVICE_ID
"""
DAY = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return an installation on the embedded log."""
    stream = LocalStream(path=tmp_path / "log.db", topics=Topics(retention_days=36_500))
    return Settings(stream=stream, database=tmp_path / "bot.db", web=None)


async def send(settings: Settings, sent: Sequence[Event]) -> None:
    """Write events to the log, each at its own time."""
    async with open_writer(settings.stream) as writer:
        await writer.append(
            [Outgoing("pulse.trigger", e.service, encode(e), timestamp=e.time_ms) for e in sent]
        )


def triggers(first_day: int, days: int) -> list[Event]:
    """Return triggers of two services: day N has N+1 of svc-a (one pre-aggregated), 1 of svc-b."""
    sent: list[Event] = []
    for day in range(first_day, first_day + days):
        at = DAY + timedelta(days=day, hours=day)
        sent.append(events.trigger("svc-a", at, TriggerData(count=day + 1)))
        sent.append(events.trigger("svc-b", at))
    return sent


async def rows(desk: Desk, query: str) -> list[tuple[Any, ...]]:
    """Return what a query answers."""
    [answer] = await desk.execute(query)
    return [tuple(row) for row in answer.rows]


async def test_the_first_users_statement_runs_to_the_letter(settings: Settings) -> None:
    """Created over old events, kept up by new ones, asked by key and window."""
    await send(settings, triggers(0, 2))
    async with app.opened(settings, NO_RULES) as opened:
        await app.run_once(opened)
        await opened.desk.execute(SEED)
        await opened.desk.builder.built()
        await send(settings, triggers(2, 1))
    async with app.opened(settings, NO_RULES) as opened:
        await app.run_once(opened)
        asked = (
            "SELECT WINDOWSTART, COUNT FROM TRIGGER_PER_DAY WHERE SERVICE_ID = 'svc-a'"
            " AND WINDOWSTART >= '2026-11-21' ORDER BY WINDOWSTART"
        )
        assert await rows(opened.desk, asked) == [
            ("2026-11-21T00:00:00+00:00", 2),
            ("2026-11-22T00:00:00+00:00", 3),
        ]
        assert await rows(opened.desk, "SELECT SUM(COUNT) FROM TRIGGER_PER_DAY") == [(9,)]


async def test_a_view_is_a_view_for_any_tool(settings: Settings) -> None:
    """The sqlite3 module reads it beside the bot, by its name, with readable times."""
    await send(settings, triggers(0, 1))
    async with app.opened(settings, NO_RULES) as opened:
        await app.run_once(opened)
        await opened.desk.execute(SEED)
        await opened.desk.builder.built()
        with closing(connect(settings.database, read_only=True)) as tool:
            found = tool.execute(
                "SELECT SERVICE_ID, COUNT, WINDOWSTART FROM trigger_per_day ORDER BY 1"
            ).fetchall()
    day = "2026-11-20T00:00:00+00:00"
    assert found == [("svc-a", 1, day), ("svc-b", 1, day)]


async def test_what_cannot_be_is_refused_with_its_place(settings: Settings) -> None:
    """A misspelt column names line, column and the nearest; nothing is left of the attempt."""
    async with app.opened(settings, NO_RULES) as opened:
        await app.run_once(opened)
        with pytest.raises(InvalidSql, match=r"line 2, column 8: SERVCE_ID .*mean SERVICE_ID"):
            await opened.desk.execute(SEED.replace("SERVICE_ID,", "SERVCE_ID,"))
        assert await rows(opened.desk, "SHOW TABLES") == []


async def test_a_view_is_built_again_since_a_day(settings: Settings) -> None:
    """Older windows are taken over as they were, later ones counted anew from the log."""
    await send(settings, triggers(0, 3))
    async with app.opened(settings, NO_RULES) as opened:
        await app.run_once(opened)
        await opened.desk.execute(SEED)
        await opened.desk.builder.built()
        [view] = [e.id for e in await opened.database.read(viewcatalog.entries)]
        await opened.database.write(_spoil, view)
        everything = "SELECT SUM(COUNT) FROM TRIGGER_PER_DAY"
        assert await rows(opened.desk, everything) == [(6 * 1000,)]
        await opened.desk.execute("REPLAY TABLE TRIGGER_PER_DAY FROM TIMESTAMP '2026-11-21T17:00'")
        await opened.desk.builder.built()
        by_day = "SELECT WINDOWSTART, COUNT FROM TRIGGER_PER_DAY WHERE SERVICE_ID = 'svc-a'"
        assert sorted(await rows(opened.desk, by_day)) == [
            ("2026-11-20T00:00:00+00:00", 1000),
            ("2026-11-21T00:00:00+00:00", 2),
            ("2026-11-22T00:00:00+00:00", 3),
        ]
        [described] = await opened.desk.execute("DESCRIBE TRIGGER_PER_DAY")
        assert "complete since the log's beginning" in described.said


def _spoil(connection: Connection, view: int) -> None:
    connection.execute(f"UPDATE view_{view} SET COUNT = 1000")  # noqa: S608 - our own number


async def test_a_dropped_view_leaves_nothing_but_its_name_free(settings: Settings) -> None:
    """A stream that is read cannot go; a table goes with its rows, and may come back."""
    await send(settings, triggers(0, 1))
    async with app.opened(settings, NO_RULES) as opened:
        await app.run_once(opened)
        stream = "CREATE STREAM A AS SELECT * FROM SERVICE_TRIGGER WHERE SERVICE_ID = 'svc-a';"
        table = "CREATE TABLE N AS SELECT COUNT(*) FROM A;"
        await opened.desk.execute(stream + table)
        await opened.desk.builder.built()
        with pytest.raises(InvalidSql, match="A is read by N; before this: DROP TABLE N;"):
            await opened.desk.execute("DROP STREAM A")
        await opened.desk.execute("DROP TABLE N; DROP STREAM A; DROP TABLE IF EXISTS N")
        left = "SELECT name FROM sqlite_schema WHERE name LIKE 'view_%' OR name = 'N'"
        assert await opened.database.read(lambda c: c.execute(left).fetchall()) == []
        await opened.desk.execute(stream + table)
        await opened.desk.builder.built()
        assert await rows(opened.desk, "SELECT COUNT FROM N") == [(1,)]


async def test_a_view_that_is_no_longer_understood_stops_nothing(settings: Settings) -> None:
    """The bot goes on without it and says so; created again it is complete."""
    await send(settings, triggers(0, 1))
    async with app.opened(settings, NO_RULES) as opened:
        await app.run_once(opened)
        await opened.desk.execute(SEED)
        await opened.desk.builder.built()
        await opened.database.write(
            lambda c: c.execute("UPDATE sql_view SET statement = 'CREATE TABLE X AS SELECT'")
        )
    await send(settings, triggers(1, 1))
    async with app.opened(settings, NO_RULES) as opened:
        await app.run_once(opened)
        [shown] = await rows(opened.desk, "SHOW TABLES")
        assert shown[:2] == ("TRIGGER_PER_DAY", "broken")
        await opened.desk.execute(SEED)
        await opened.desk.builder.built()
        assert await rows(opened.desk, "SELECT SUM(COUNT) FROM TRIGGER_PER_DAY") == [(5,)]
        assert [row[1] for row in await rows(opened.desk, "SHOW TABLES")] == ["live"]
