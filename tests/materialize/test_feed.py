import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pulsebot import app
from pulsebot.app import App
from pulsebot.materialize.feed import POLL_S
from pulsebot.settings import Settings
from pulsebot.store import deadletters, viewcatalog
from pulsebot.stream.base import Outgoing
from pulsebot.stream.config import LocalStream
from pulsebot.stream.open import open_writer
from pulsebot.views.place import InvalidSql
from tests.fakes.world import NO_RULES
from tests.patience import PATIENCE_S

ORDERS = """
CREATE STREAM ORDERS (ID STRING, AMOUNT DOUBLE, AT STRING, SHOP STRING)
WITH (KAFKA_TOPIC = 'shop.orders', VALUE_FORMAT = 'JSON', TIMESTAMP = 'AT');
"""
TURNOVER = """
CREATE TABLE TURNOVER AS SELECT SHOP, SUM(AMOUNT) TOTAL, COUNT(*) N FROM ORDERS
WINDOW TUMBLING (SIZE 1 DAY) GROUP BY SHOP;
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return an installation on the embedded log."""
    stream = LocalStream(path=tmp_path / "log.db")
    return Settings(stream=stream, database=tmp_path / "bot.db", web=None)


def order(day: int, shop: str, amount: float) -> bytes:
    """Return an order as another system writes it."""
    at = datetime(2026, 11, day, 12, tzinfo=UTC).isoformat()
    return json.dumps({"id": f"{day}", "Amount": amount, "at": at, "shop": shop}).encode()


async def send(settings: Settings, values: Sequence[bytes], topic: str = "shop.orders") -> None:
    """Write records to another system's topic."""
    async with open_writer(settings.stream) as writer:
        await writer.append([Outgoing(topic, "", value) for value in values])


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[App]:
    """Run the bot while entered."""
    async with app.opened(settings, NO_RULES) as opened:
        task = asyncio.create_task(app.run(opened))
        yield opened
        opened.stop.set()
        await task


async def rows(opened: App, query: str) -> list[tuple[Any, ...]]:
    """Return what a query answers."""
    [answer] = await opened.desk.execute(query)
    return [tuple(row) for row in answer.rows]


async def until(opened: App, query: str, expected: list[tuple[Any, ...]]) -> None:
    """Wait until a query answers this."""
    async with asyncio.timeout(PATIENCE_S):
        while await rows(opened, query) != expected:  # noqa: ASYNC110 - the state of another task
            await asyncio.sleep(0.02)


async def test_a_topic_of_another_system_is_counted_from_its_beginning(settings: Settings) -> None:
    """Old records, new ones, and those of a view that comes later; across a restart."""
    await send(settings, [order(20, "a", 1.5), order(20, "a", 2.5), order(21, "b", 4)])
    query = "SELECT SHOP, TOTAL, N FROM TURNOVER ORDER BY SHOP, WINDOWSTART_MS"
    async with running(settings) as opened:
        await opened.desk.execute(ORDERS + TURNOVER)
        await until(opened, query, [("a", 4.0, 2), ("b", 4.0, 1)])
        await send(settings, [order(20, "a", 6)])
        await until(opened, query, [("a", 10.0, 3), ("b", 4.0, 1)])
    await send(settings, [order(22, "b", 8)])
    async with running(settings) as opened:
        await until(opened, query, [("a", 10.0, 3), ("b", 4.0, 1), ("b", 8.0, 1)])
        await opened.desk.execute("CREATE TABLE ALL_ORDERS AS SELECT COUNT(*) FROM ORDERS")
        await until(opened, "SELECT COUNT FROM ALL_ORDERS", [(5,)])
        await send(settings, [order(22, "c", 1)])
        await until(opened, "SELECT COUNT FROM ALL_ORDERS", [(6,)])


async def test_what_is_no_row_goes_to_the_dead_letters(settings: Settings) -> None:
    """A broken record is put aside with the reason; fields of a wrong type are NULL."""
    await send(settings, [b"{", b"[1]", b'{"amount": "much", "shop": "a"}', order(20, "a", 2)])
    async with app.opened(settings, NO_RULES) as opened:
        await opened.desk.execute(ORDERS + TURNOVER)
        await opened.desk.builder.built()
        await app.run_once(opened)
        assert await rows(opened, "SELECT SUM(TOTAL), SUM(N) FROM TURNOVER") == [(2.0, 2)]
        letters = await opened.database.read(deadletters.newest, 10)
        assert [(letter.topic, letter.offset) for letter in letters] == [
            ("shop.orders", 1),
            ("shop.orders", 0),
        ]


async def test_letters_of_several_topics_are_told_apart(settings: Settings) -> None:
    """Two topics count their offsets alike; two views of one topic set a record aside once."""
    for topic in ("shop.orders", "shop.returns"):
        await send(settings, [b"{"], topic)
    async with app.opened(settings, NO_RULES) as opened:
        await opened.desk.execute(ORDERS + TURNOVER + TURNOVER.replace("TURNOVER", "AGAIN"))
        returns = (ORDERS + TURNOVER).replace("ORDERS", "RETURNS").replace("TURNOVER", "BACK")
        await opened.desk.execute(returns.replace("shop.orders", "shop.returns"))
        await opened.desk.builder.built()
        await app.run_once(opened)
        letters = await opened.database.read(deadletters.newest, 10)
        assert sorted(letter.topic for letter in letters) == ["shop.orders", "shop.returns"]


async def test_a_quiet_topic_changes_nothing(settings: Settings) -> None:
    """No revision goes by: whoever follows a view would be woken each time, for nothing."""
    await send(settings, [order(20, "a", 1)])
    async with running(settings) as opened:
        await opened.desk.execute(ORDERS + TURNOVER)
        await until(opened, "SELECT N FROM TURNOVER", [(1,)])
        before = await opened.database.read(viewcatalog.revision)
        await asyncio.sleep(3 * POLL_S)
        assert await opened.database.read(viewcatalog.revision) == before


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (ORDERS.replace("KAFKA_TOPIC", "KAFKA_TOPICS"), "KAFKA_TOPICS; did you mean KAFKA_TOPIC"),
        (ORDERS.replace("'AT'", "'ATT'"), "TIMESTAMP names no column; did you mean AT"),
        (ORDERS.replace("DOUBLE", "DUBLE"), "no type DUBLE; did you mean DOUBLE"),
        (ORDERS.replace("'JSON'", "'AVRO'"), "VALUE_FORMAT can only be 'JSON'"),
    ],
)
async def test_a_wrong_declaration_is_refused(
    settings: Settings, statement: str, said: str
) -> None:
    """Each fault is named with the nearest word."""
    async with app.opened(settings, NO_RULES) as opened:
        with pytest.raises(InvalidSql, match=said):
            await opened.desk.execute(statement)
