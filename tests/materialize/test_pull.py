"""Pull queries: what they answer, and that nothing else can be done with them."""

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pulsebot import event as events
from pulsebot.errors import InvalidInput
from pulsebot.event import TriggerData
from pulsebot.materialize import pull
from pulsebot.materialize.desk import Desk
from pulsebot.materialize.pull import AT_ONCE, WAITING, Limits, Pulls
from pulsebot.materialize.selection import Selection, following, reads, selection
from pulsebot.views.dialect import parse_one
from pulsebot.views.place import InvalidSql
from pulsebot.views.statement import Query
from tests.materialize.site import PER_DAY, consumed, running, send, site
from tests.patience import PATIENCE_S

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
EVIL = "'; DROP TABLE PER_DAY; --\x1b[2J"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """Give a desk over three days of two services, one of them of a hostile name."""
    settings = site(tmp_path)
    sent = [
        events.trigger(name, NOON + timedelta(days=day), TriggerData(count=day + 1))
        for day in range(3)
        for name in ("svc-a", EVIL)
    ]
    await send(settings, *sent)
    async with running(settings) as bot:
        await consumed(bot, len(sent))
        await bot.desk.execute(PER_DAY)
        await bot.desk.builder.built()
        yield bot.desk


async def rows(desk: Desk, query: str) -> list[tuple[Any, ...]]:
    """Return what a query answers."""
    [answer] = await desk.execute(query)
    return [tuple(row) for row in answer.rows]


async def test_rows_are_ordered_limited_and_named(desk: Desk) -> None:
    """ORDER BY and LIMIT work; columns have the view's names however they were typed."""
    [answer] = await desk.execute(
        "SELECT p.count, service_id FROM per_day p WHERE SERVICE_ID = 'svc-a'"
        " ORDER BY count DESC LIMIT 2"
    )
    assert answer.columns == ("COUNT", "SERVICE_ID")
    assert [tuple(row) for row in answer.rows] == [(3, "svc-a"), (2, "svc-a")]
    [answer] = await desk.execute("SELECT * FROM PER_DAY LIMIT 0")
    assert answer.columns == ("SERVICE_ID", "COUNT", "WINDOWSTART", "WINDOWEND")


async def test_queries_know_the_functions_of_views(desk: Desk) -> None:
    """What may stand in CREATE TABLE may stand in a query, NULL and lists included."""
    query = (
        "SELECT UCASE(SERVICE_ID), CONCAT(COUNT, '!'), LEN(NULL), GREATEST(COUNT, 2),"
        " CASE WHEN COUNT > 1 THEN 'many' ELSE 'one' END"
        " FROM PER_DAY WHERE COUNT = 1 AND SERVICE_ID LIKE 'svc-%'"
    )
    assert await rows(desk, query) == [("SVC-A", "1!", None, 2, "one")]
    grouped = "SELECT SERVICE_ID, SUM(COUNT) AS N FROM PER_DAY GROUP BY 1 HAVING N > 5 ORDER BY 1"
    assert await rows(desk, grouped) == [(EVIL, 6), ("svc-a", 6)]


async def test_queries_mean_what_views_mean(desk: Desk) -> None:
    r"""Whole numbers divide to whole ones, LIKE minds case and `\`, elements of lists are plain."""
    await desk.execute("CREATE TABLE L AS SELECT COLLECT_LIST(SERVICE_ID) FROM SERVICE_TRIGGER")
    await desk.builder.built()
    query = "SELECT COUNT / 2, COUNT % 2 FROM PER_DAY WHERE COUNT = 3 AND SERVICE_ID LIKE 'svc%'"
    assert await rows(desk, query) == [(1, 1)]
    for pattern, found in (("SVC%", 0), ("svc\\-_", 3), ("svc\\_a", 0)):
        query = f"SELECT COUNT(*) FROM PER_DAY WHERE SERVICE_ID LIKE '{pattern}'"  # noqa: S608 - ours
        assert await rows(desk, query) == [(found,)]
    [(first, last)] = await rows(
        desk, "SELECT COLLECT_LIST_SERVICE_ID[1], COLLECT_LIST_SERVICE_ID[7] FROM L"
    )
    assert first in {"svc-a", EVIL}
    assert last is None


@pytest.mark.parametrize(
    ("condition", "counts"),
    [
        ("WINDOWSTART >= '2026-11-21'", [2, 3]),
        ("'2026-11-21' < WINDOWSTART", [3]),
        ("WINDOWSTART BETWEEN '2026-11-20' AND '2026-11-21T00:00'", [1, 2]),
        ("NOT WINDOWSTART BETWEEN '2026-11-20' AND '2026-11-21T00:00'", [3]),
        ("WINDOWSTART = '2026-11-21T05:30+05:30'", [2]),
        ("WINDOWSTART = '2026-11-21T00:00:00Z'", [2]),
        ("WINDOWSTART IN ('2026-11-20', '2026-11-22')", [1, 3]),
        ("WINDOWEND <= '2026-11-21'", [1]),
        ("(WINDOWSTART) <> ('2026-11-21')", [1, 3]),
        ("WINDOWSTART >= 1795305600000", [3]),
        ("WINDOWEND = WINDOWSTART", []),
        ("(WINDOWSTART = '2026-11-21') = (SERVICE_ID = 'svc-a')", [2]),
    ],
)
async def test_windows_are_compared_with_texts(
    desk: Desk, condition: str, counts: list[int]
) -> None:
    """Dates and times, with a zone or in the view's own; other texts stay what they are."""
    where = f"{condition} AND SERVICE_ID = 'svc-a'"
    query = "SELECT COUNT FROM PER_DAY WHERE " + where + " ORDER BY WINDOWSTART"  # noqa: S608 - from the table above
    assert await rows(desk, query) == [(count,) for count in counts]


async def test_texts_of_times_mean_the_zone_of_the_view(desk: Desk) -> None:
    """A view of days in Berlin is asked in Berlin's time, through the end of summer time."""
    berlin = PER_DAY.replace("PER_DAY", "BERLIN").replace(
        "1 DAY", "1 DAY, TIMEZONE 'Europe/Berlin'"
    )
    await desk.execute(berlin)
    await desk.builder.built()
    asked = "SELECT COUNT FROM BERLIN WHERE WINDOWSTART = '2026-11-21' AND SERVICE_ID = 'svc-a'"
    assert await rows(desk, asked) == [(2,)]
    assert await rows(desk, asked.replace("'2026-11-21'", "'2026-11-21T00:00Z'")) == []


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT * FROM NOTHING", "line 1, column 15: there is no view NOTHING"),
        ("SELECT * FROM PER_DAI", "did you mean PER_DAY"),
        ("SELECT SERVCE_ID FROM PER_DAY", r"has no column SERVCE_ID; did you mean SERVICE_ID"),
        ('SELECT "nothing" FROM PER_DAY', "has no column nothing"),
        ("SELECT UPER(SERVICE_ID) FROM PER_DAY", "no function UPER .*did you mean UPPER"),
        ("SELECT * FROM PER_DAY WHERE WINDOWSTART > 'monday'", "column 43: 'monday' is no time"),
        ("SELECT * FROM PER_DAY LIMIT -1", "whole number"),
        ("SELECT COUNT FROM PER_DAY EMIT FINAL", "belongs into CREATE TABLE"),
        ("SELECT COUNT FROM PER_DAY EMIT CHANGES", "has no end"),
        ("SELECT COUNT FROM PER_DAY WINDOW TUMBLING (SIZE 1 DAY)", "belongs into CREATE TABLE"),
        ("SELECT 1", "a query reads one view"),
        ("SELECT * FROM SERVICE_TRIGGER", "column 15: SERVICE_TRIGGER is a stream: CREATE TABLE"),
        ("SELECT 'svc-a FROM PER_DAY", "column 8: what begins here with ' does not end"),
        ("SELECT COUNT FROM PER_DAY WHERE ((", r"column 34: expected a value, after `\(`"),
        ("SELECT COUNT FROM PER_DAY OFFSET 1", "column 27: expected an operator, .* not `OFFSET`"),
    ],
)
async def test_mistakes_are_named(desk: Desk, query: str, said: str) -> None:
    """The place, what is wrong, and the nearest."""
    with pytest.raises(InvalidSql, match=said):
        await desk.execute(query)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM sqlite_schema",
        "SELECT * FROM outbox",
        "SELECT * FROM sql_view",
        "SELECT * FROM view_1",
        "SELECT _state FROM PER_DAY",
        "SELECT * FROM main.PER_DAY",
        "SELECT * FROM PER_DAY, outbox",
        "SELECT * FROM PER_DAY JOIN outbox ON 1",
        "SELECT (SELECT text FROM outbox) FROM PER_DAY",
        "SELECT * FROM PER_DAY WHERE SERVICE_ID IN outbox",
        "SELECT * FROM PER_DAY WHERE SERVICE_ID IN json_each('[1]')",
        "SELECT * FROM PER_DAY WHERE EXISTS (SELECT 1 FROM outbox)",
        "SELECT * FROM json_each('[1]')",
        "SELECT * FROM pragma_table_info('outbox')",
        "SELECT SERVICE_ID INTO stolen FROM PER_DAY",
        "SELECT SERVICE_ID FROM PER_DAY UNION SELECT text FROM outbox",
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM t) SELECT n FROM t",
        "SELECT load_extension('evil.so') FROM PER_DAY",
        "SELECT readfile('/etc/passwd') FROM PER_DAY",
        "SELECT randomblob(1000000000) FROM PER_DAY",
        "SELECT zeroblob(1000000000) FROM PER_DAY",
        "SELECT printf('%.1000000000d', 1) FROM PER_DAY",
        "SELECT COUNT(*) OVER () FROM PER_DAY",
        f"SELECT COUNT FROM PER_DAY WHERE SERVICE_ID LIKE '{'%a' * 500}'",  # noqa: S608 - a bomb
        "SELECT GLOB('*', SERVICE_ID) FROM PER_DAY",
        "SELECT ? FROM PER_DAY",
        "SELECT @x FROM PER_DAY",
        "PRAGMA writable_schema = 1",
        "ATTACH '/tmp/x.db' AS x",
        "DELETE FROM PER_DAY",
        "UPDATE PER_DAY SET COUNT = 0",
        "INSERT INTO PER_DAY VALUES (1)",
        "VACUUM INTO '/tmp/x.db'",
        "BEGIN; DROP TABLE PER_DAY",
        "SELECT * FROM PER_DAY; PRAGMA query_only = 0",
    ],
)
async def test_nothing_else_can_be_reached(desk: Desk, query: str) -> None:
    """Other tables, functions with side effects, statements that write: all refused in words."""
    with pytest.raises(InvalidInput):
        await desk.execute(query)
    assert await rows(desk, "SELECT COUNT(*) FROM PER_DAY") == [(6,)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT sql FROM sqlite_schema",
        "SELECT * FROM outbox",
        "SELECT _state FROM view_1",
        'SELECT * FROM "PER_DAY" WHERE SERVICE_ID IN outbox',
        "SELECT value FROM json_each('[1]')",
        "SELECT name FROM pragma_table_list",
        "PRAGMA query_only = 0",
        "ATTACH ':memory:' AS x",
        "CREATE TEMP TABLE x (a)",
        "DELETE FROM view_1",
        "BEGIN IMMEDIATE",
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM t) SELECT n FROM t",
        "SELECT load_extension('evil.so')",
        "SELECT printf('%.1000000000d', 1)",
        "SELECT zeroblob(1000000000)",
        "VACUUM",
    ],
)
async def test_the_connection_itself_can_do_no_harm(desk: Desk, tmp_path: Path, sql: str) -> None:
    """Even if every check before it failed, SQLite refuses."""
    query = parse_one("SELECT * FROM PER_DAY")
    assert isinstance(query, Query)
    relation = await desk.relation_of(query)
    with closing(pull.confined(tmp_path / "bot.db", relation)) as connection:
        with pytest.raises(sqlite3.Error):
            connection.execute(sql).fetchall()
        assert connection.execute('SELECT count(*) FROM "PER_DAY"').fetchone() == (6,)


async def selection_of(desk: Desk, sql: str) -> Selection:
    """Return a text of SQLite's as if it had passed all checks."""
    query = parse_one("SELECT * FROM PER_DAY")
    assert isinstance(query, Query)
    return Selection(sql, await desk.relation_of(query))


def many(factors: int) -> str:
    """Return SQL that takes as long as six rows crossed with themselves so many times."""
    return "SELECT count(*) FROM " + ", ".join(f'"PER_DAY" AS t{n}' for n in range(factors))  # noqa: S608 - numbers


async def test_what_takes_too_long_is_stopped(desk: Desk, tmp_path: Path) -> None:
    """The word says after how long, and what to do."""
    asked = await selection_of(desk, many(30))
    with pytest.raises(InvalidInput, match=r"stopped after 0\.2 s; ask for one key"):
        await Pulls(tmp_path / "bot.db").run(asked, Limits(seconds=0.2))


async def test_nobody_waits_for_what_nobody_wants(desk: Desk, tmp_path: Path) -> None:
    """A query whose asker is gone ends long before its time."""
    pulls = Pulls(tmp_path / "bot.db")
    asked = await selection_of(desk, many(30))
    tasks = [
        asyncio.create_task(pulls.run(asked, Limits(seconds=3600)))
        for _ in range(AT_ONCE + WAITING)
    ]
    await asyncio.sleep(0)
    with pytest.raises(InvalidInput, match="too many queries at once"):
        await pulls.run(asked, Limits())
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    quick = await selection_of(desk, many(1))
    async with asyncio.timeout(PATIENCE_S):
        assert (await pulls.run(quick, Limits(seconds=60))).rows == [(6,)]


async def test_answers_are_bounded_in_rows_and_size(desk: Desk) -> None:
    """What is left out is said; a text that grows without end is refused."""
    query = parse_one("SELECT SERVICE_ID FROM PER_DAY")
    assert isinstance(query, Query)
    answer = await desk.ask(query, Limits(rows=4))
    assert len(answer.rows) == 4
    assert "the first 4 rows" in answer.cut
    answer = await desk.ask(query, Limits(size=10))
    assert "too much" in answer.cut
    grown = "'aaaaaaaaaa'"
    for _ in range(8):
        grown = f"REPLACE({grown}, 'a', 'aaaaaaaaaa')"
    with pytest.raises(InvalidInput, match="grows too long"):
        await desk.execute("SELECT " + grown + " FROM PER_DAY")  # noqa: S608 - from the line above


async def test_a_slow_query_delays_no_event(desk: Desk, tmp_path: Path) -> None:
    """Events are counted while as many queries as may run are running."""
    settings = site(tmp_path)
    pulls = Pulls(settings.database)
    asked = await selection_of(desk, many(30))
    slow = [asyncio.create_task(pulls.run(asked, Limits(seconds=3600))) for _ in range(AT_ONCE)]
    await send(settings, events.trigger("svc-a", NOON, TriggerData(count=10)))
    query = "SELECT COUNT FROM PER_DAY WHERE SERVICE_ID = 'svc-a' AND WINDOWSTART = '2026-11-20'"
    async with asyncio.timeout(PATIENCE_S):
        while await rows(desk, query) != [(11,)]:  # noqa: ASYNC110 - a database tells nobody
            await asyncio.sleep(0.05)
    assert not any(task.done() for task in slow)
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)


SUMS = """SELECT SERVICE_ID , SUM ( COUNT ) AS N FROM PER_DAY p WHERE WINDOWSTART BETWEEN
 '2026-11-20' AND '2026-11-21T00:00+01:00' GROUP BY SERVICE_ID HAVING N > 5 ORDER BY N LIMIT 5"""
CASES = """SELECT CASE WHEN COUNT > 1 THEN UCASE ( SERVICE_ID ) ELSE 'x' END
 , CAST ( COUNT AS STRING ) FROM PER_DAY
 WHERE SERVICE_ID LIKE 'a%' AND COUNT IN ( 1 , 2 ) OR NOT COUNT IS NULL"""
PUSH = """SELECT COUNT / 0 , - COUNT , SERVICE_ID [ 1 ] , SERVICE_ID -> 'x' , ROUND ( COUNT , 99 )
 FROM PER_DAY WHERE ( WINDOWEND <> '2026-01-01' ) = TRUE EMIT CHANGES LIMIT 3"""
CORPUS = (SUMS, CASES, PUSH)
STRANGE = ("'", '"', "--", "/*", "\x00", "[", "1e999", "UNION", "OVER", "?", "@", "::", "GLOB", "é")


async def test_mutated_queries_are_answered_or_refused(desk: Desk, tmp_path: Path) -> None:
    """Whatever people type, they get rows or words: never another error."""
    chance = random.Random(7)  # noqa: S311 - the same each time
    words = [*STRANGE, *{word for text in CORPUS for word in text.split()}]
    good = await selection_of(desk, "")
    answered = 0
    for _ in range(1_500):
        mutated = chance.choice(CORPUS).split()
        for _ in range(chance.randint(0, 3)):
            at = chance.randrange(len(mutated))
            change = [[chance.choice(words)], [mutated[at], chance.choice(words)], []]
            mutated[at : at + 1] = chance.choice(change)
        with suppress(InvalidInput):
            query = parse_one(" ".join(mutated))
            assert isinstance(query, Query)
            reads(query)
            asked = (following if query.emit else selection)(query, good.relation)
            if isinstance(asked, Selection):
                pull.run(tmp_path / "bot.db", asked, Limits(seconds=60), lambda: False)
                answered += 1
    assert answered > 50
