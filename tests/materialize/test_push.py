"""Push queries: rows are told as they change, to whoever follows, however slowly."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pulsebot import event as events
from pulsebot.app import App
from pulsebot.errors import InvalidInput
from pulsebot.event import CrashData, Event, TriggerData
from pulsebot.materialize.answer import Changes
from pulsebot.materialize.desk import Desk
from pulsebot.materialize.push import Since
from pulsebot.materialize.session import session
from pulsebot.materialize.tail import BATCHES, Tails
from pulsebot.sift import Arrival, Batch
from pulsebot.store.database import Connection
from pulsebot.terminal.sqlask import carried_out
from pulsebot.views.dialect import parse_one
from pulsebot.views.place import InvalidSql
from pulsebot.views.source import BUILT_IN
from pulsebot.views.statement import Query
from tests.materialize.site import PER_DAY, bury, consumed, running, send, site
from tests.patience import PATIENCE_S

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Told:
    """What a follower is told, read row by row."""

    def __init__(self, changes: AsyncGenerator[Changes, None]) -> None:
        self._changes = changes
        self._rows: list[tuple[Any, ...]] = []
        self.last = Changes(())

    async def more(self) -> Changes:
        """Wait for the next piece."""
        async with asyncio.timeout(PATIENCE_S):
            self.last = await anext(self._changes)
        self._rows += [tuple(row) for row in self.last.rows]
        return self.last

    async def row(self) -> tuple[Any, ...]:
        """Wait for the next row."""
        while not self._rows:
            await self.more()
        return self._rows.pop(0)

    async def end(self) -> None:
        """Wait for the end; what ends it is raised."""
        while True:
            await self.more()

    async def rest(self) -> None:
        """Wait until everything is told that has happened."""
        before = self.last.since
        while self.last.rows or self.last.since == before:
            await self.more()


@asynccontextmanager
async def following(
    desk: Desk, query: str, since: str | None = None, *, present: bool = False
) -> AsyncIterator[Told]:
    """Follow a view or a stream; it has begun when this is entered."""
    parsed = parse_one(query)
    assert isinstance(parsed, Query)
    place = Since.parse(since) if since else None
    async with aclosing(desk.lookout.follow(parsed, place, present=present)) as changes:
        told = Told(changes)
        await told.more()
        yield told


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[App]:
    """Give a bot that runs and keeps triggers per day."""
    async with running(site(tmp_path)) as opened:
        await consumed(opened, 0)
        [piece async for piece in session(opened.desk, PER_DAY)]
        yield opened


async def happen(bot: App, *sent: Event) -> None:
    """Let events be taken in."""
    before = bot.pipeline.intake.totals.records
    await send(bot.settings, *sent)
    await consumed(bot, before + len(sent))


def triggered(service: str, count: int = 1, days: int = 0) -> Event:
    """Return a trigger."""
    return events.trigger(service, NOON + timedelta(days=days), TriggerData(count=count))


async def test_rows_are_told_as_they_change(bot: App) -> None:
    """What was before is not told, what comes is, with the newest state."""
    await happen(bot, triggered("svc-a", 5))
    query = "SELECT SERVICE_ID, COUNT FROM PER_DAY WHERE SERVICE_ID = 'svc-a' EMIT CHANGES"
    async with following(bot.desk, query) as told:
        assert told.last.columns == ("SERVICE_ID", "COUNT", "CHANGE")
        await happen(bot, triggered("svc-b"), triggered("svc-a"))
        assert await told.row() == ("svc-a", 6, "set")
        await happen(bot, triggered("svc-a", 4))
        assert await told.row() == ("svc-a", 10, "set")


async def test_a_limit_ends_it(bot: App) -> None:
    """`LIMIT n` is the number of changes."""
    query = "SELECT COUNT FROM PER_DAY EMIT CHANGES LIMIT 2"
    pieces: list[Changes] = []
    begun = asyncio.Event()

    async def follow() -> None:
        async for piece in session(bot.desk, query):
            assert isinstance(piece, Changes)
            pieces.append(piece)
            begun.set()

    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
        group.create_task(follow())
        await begun.wait()
        await happen(bot, *(triggered(f"svc-{n}") for n in range(5)))
    assert [len(piece.rows) for piece in pieces if piece.rows] == [2]


async def test_what_is_there_already_can_be_told_first(bot: App) -> None:
    """The present rows, then the changes, without a hole or a repetition between them."""
    await happen(bot, *(triggered("svc-a", day + 1, day) for day in range(3)))
    async with following(bot.desk, "SELECT * FROM PER_DAY EMIT CHANGES") as told:
        assert told.last.columns == ("SERVICE_ID", "COUNT", "WINDOWSTART", "WINDOWEND", "CHANGE")
    query = "SELECT COUNT FROM PER_DAY WHERE WINDOWSTART >= '2026-11-21' EMIT CHANGES"
    async with following(bot.desk, query, present=True) as told:
        assert sorted([await told.row(), await told.row()]) == [(2, "set"), (3, "set")]
        await happen(bot, triggered("svc-a", 1, 2))
        assert await told.row() == (4, "set")


async def test_a_follower_goes_on_where_it_was(bot: App) -> None:
    """What changed while nobody followed is told once, in its newest state."""
    query = "SELECT COUNT FROM PER_DAY EMIT CHANGES"
    async with following(bot.desk, query) as told:
        await happen(bot, triggered("svc-a", 5))
        assert await told.row() == (5, "set")
        await told.rest()
        since = told.last.since
    await happen(bot, triggered("svc-a", 2))
    await happen(bot, triggered("svc-a", 3))
    async with following(bot.desk, query, since) as told:
        assert await told.row() == (10, "set")


async def test_a_row_that_passes_no_longer_is_gone(bot: App) -> None:
    """A condition makes a set of rows; who leaves it is told once, who never was in it is not."""
    query = "SELECT SERVICE_ID, COUNT FROM PER_DAY WHERE COUNT < 10 EMIT CHANGES"
    async with following(bot.desk, query) as told:
        await happen(bot, triggered("svc-a", 50))
        await happen(bot, triggered("svc-b", 5))
        assert await told.row() == ("svc-b", 5, "set")
        await happen(bot, triggered("svc-b", 5))
        assert await told.row() == ("svc-b", 10, "gone")
        await happen(bot, triggered("svc-b", 5), triggered("svc-c", 1))
        assert await told.row() == ("svc-c", 1, "set")


async def test_rows_that_are_removed_are_told_as_gone(bot: App) -> None:
    """Two sessions that become one: the later one goes, known by its key and start."""
    create = (
        "CREATE TABLE VISITS AS SELECT SERVICE_ID, COUNT(*) FROM SERVICE_TRIGGER"
        " WINDOW SESSION (1 HOUR) GROUP BY SERVICE_ID"
    )
    [piece async for piece in session(bot.desk, create)]
    at = [NOON + timedelta(minutes=m) for m in (0, 100, 50)]
    query = "SELECT SERVICE_ID, COUNT, WINDOWSTART FROM VISITS EMIT CHANGES"
    async with following(bot.desk, query) as told:
        await happen(bot, events.trigger("svc-a", at[0]))
        await happen(bot, events.trigger("svc-a", at[1]))
        starts = {(await told.row())[2], (await told.row())[2]}
        assert starts == {"2026-11-20T12:00:00+00:00", "2026-11-20T13:40:00+00:00"}
        await happen(bot, events.trigger("svc-a", at[2]))
        assert await told.row() == ("svc-a", None, "2026-11-20T13:40:00+00:00", "gone")
        assert await told.row() == ("svc-a", 3, "2026-11-20T12:00:00+00:00", "set")


async def test_a_follower_who_missed_what_is_forgotten_is_told_all_rows(bot: App) -> None:
    """While it looks away more rows go than are remembered: nothing it was told counts any more."""
    await happen(bot, triggered("svc-a", 5), triggered("svc-b", 7))
    query = "SELECT SERVICE_ID, COUNT FROM PER_DAY EMIT CHANGES"
    async with following(bot.desk, query, present=True) as told:
        assert {await told.row(), await told.row()} == {("svc-a", 5, "set"), ("svc-b", 7, "set")}
        await told.rest()
        since = told.last.since
        await bot.database.write(bury, "PER_DAY", "svc-a")
        await happen(bot, triggered("svc-c"))
        while not told.last.reset:
            await told.more()
        assert {await told.row(), await told.row()} == {("svc-b", 7, "set"), ("svc-c", 1, "set")}
    async with following(bot.desk, query, since) as told:
        assert told.last.reset
        assert {await told.row(), await told.row()} == {("svc-b", 7, "set"), ("svc-c", 1, "set")}


async def test_a_slow_follower_sees_the_newest_and_holds_nobody_up(bot: App) -> None:
    """Nobody reads while much happens; what is read then is one row with all of it."""
    async with following(bot.desk, "SELECT COUNT FROM PER_DAY EMIT CHANGES") as told:
        for _ in range(20):
            await happen(bot, *(triggered("svc-a") for _ in range(50)))
        row = await told.row()
        while row != (1000, "set"):
            row = await told.row()
        await told.rest()


async def test_a_view_that_is_replaced_or_dropped_ends_it(bot: App) -> None:
    """The word says what became of it; going on after that begins with all rows."""
    await happen(bot, triggered("svc-a", 5))
    query = "SELECT COUNT FROM PER_DAY EMIT CHANGES"
    async with following(bot.desk, query) as told:
        since = told.last.since
        replaced = PER_DAY.replace("CREATE", "CREATE OR REPLACE")
        [piece async for piece in session(bot.desk, replaced)]
        with pytest.raises(InvalidInput, match="PER_DAY was replaced; ask again"):
            await told.end()
    async with following(bot.desk, query, since) as told:
        assert told.last.reset
        assert await told.row() == (5, "set")
        await bot.desk.execute("DROP TABLE PER_DAY")
        with pytest.raises(InvalidInput, match="PER_DAY was dropped"):
            await told.end()


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT SUM(COUNT) FROM PER_DAY EMIT CHANGES", "SUM cannot be told row by row"),
        ("SELECT COUNT FROM PER_DAY ORDER BY 1 EMIT CHANGES", "ORDER makes no sense"),
        ("SELECT _state FROM PER_DAY EMIT CHANGES", "no column _state"),
        ("SELECT COUNT FROM PER_DAI EMIT CHANGES", "did you mean PER_DAY"),
        ("SELECT COUNT(*) FROM SERVICE_CRASH EMIT CHANGES", "no aggregates"),
        ("SELECT ERORR FROM SERVICE_CRASH EMIT CHANGES", "ERROR"),
    ],
)
async def test_what_cannot_be_followed_is_refused(bot: App, query: str, said: str) -> None:
    """With the place, and the nearest where a name is wrong."""
    with pytest.raises(InvalidSql, match=said):
        async with following(bot.desk, query):
            pass


async def test_events_of_a_stream_are_told_as_they_come_in(bot: App) -> None:
    """Filtered and computed as a view would; a stream made of a stream as well."""
    stream = "CREATE STREAM FATAL AS SELECT SERVICE_ID, ERROR FROM SERVICE_CRASH"
    await bot.desk.execute(f"{stream} WHERE EXIT_CODE = 1")
    crash = [
        events.crash(f"svc-{code}", NOON, CrashData(error="E", exit_code=code, tags={"env": "x"}))
        for code in (0, 1)
    ]
    query = "SELECT UCASE(SERVICE_ID) AS S, TAGS FROM SERVICE_CRASH EMIT CHANGES LIMIT 5"
    async with (
        following(bot.desk, query) as told,
        following(bot.desk, "SELECT * FROM FATAL EMIT CHANGES") as fatal,
    ):
        assert told.last.columns == ("S", "TAGS")
        assert fatal.last.columns == ("SERVICE_ID", "ERROR")
        await happen(bot, triggered("svc-a"), *crash)
        assert await told.row() == ("SVC-0", '{"env":"x"}')
        assert await told.row() == ("SVC-1", '{"env":"x"}')
        assert await fatal.row() == ("svc-1", "E")


async def test_following_costs_nothing_after_the_next_start(tmp_path: Path) -> None:
    """What makes following quick, and writing slow, is there only once somebody follows."""
    settings = site(tmp_path)
    found: list[bool] = []
    async with running(settings) as bot:
        [piece async for piece in session(bot.desk, PER_DAY)]
        found.append(await bot.database.read(_indexed))
        async with following(bot.desk, "SELECT COUNT FROM PER_DAY EMIT CHANGES"):
            found.append(await bot.database.read(_indexed))
    async with running(settings) as bot:
        found.append(await bot.database.read(_indexed))
    assert found == [False, True, False]


def _indexed(connection: Connection) -> bool:
    rows = connection.execute("SELECT name FROM sqlite_schema WHERE name GLOB '*_revision'")
    return any(name.startswith("view_") for (name,) in rows)


def test_watching_costs_nothing_while_nobody_watches() -> None:
    """Batches are not even kept; of what is never committed nothing is told; old ones go first."""
    tails = Tails()
    tails.note(Batch(alone={0: _arrival("svc-a")}))
    tail = tails.watch(BUILT_IN["SERVICE_TRIGGER"])
    tails.release()
    tails.note(Batch(alone={0: _arrival("svc-b")}))
    tails.forget()
    tails.release()
    assert tail.take().rows == []
    for number in range(BATCHES + 2):
        tails.note(Batch(alone={0: _arrival(f"svc-{number}")}))
        tails.release()
    seen = tail.take()
    assert (len(seen.rows), seen.missed, seen.rows[0][0]) == (BATCHES, 2, "svc-2")


def _arrival(service: str) -> Arrival:
    event = triggered(service)
    return event, event.time_ms, event.time_ms, None  # type: ignore[return-value]


async def test_a_stopped_bot_has_nothing_to_tell(tmp_path: Path) -> None:
    """EMIT CHANGES is refused with the mend."""
    with pytest.raises(InvalidInput, match="needs the running bot"):
        [p async for p in carried_out(site(tmp_path), "SELECT * FROM T EMIT CHANGES")]
