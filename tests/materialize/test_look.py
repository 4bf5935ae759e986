import asyncio
import sqlite3
import threading
from contextlib import closing

import pytest

from pulsebot.errors import InvalidInput
from pulsebot.materialize.look import looked
from pulsebot.store.database import Connection

ENDLESS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


async def test_a_look_that_is_cancelled_has_let_go_of_its_connection() -> None:
    """Whoever waited for it may close the connection at once, however often it was cancelled."""
    begun, ended = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def work(connection: Connection) -> None:
        loop.call_soon_threadsafe(begun.set)
        try:
            connection.execute(ENDLESS).fetchall()
        finally:
            ended.set()

    with closing(sqlite3.connect(":memory:", check_same_thread=False)) as connection:
        looking = asyncio.create_task(looked(connection, work))
        await begun.wait()
        looking.cancel()
        await asyncio.sleep(0)
        looking.cancel()
        await asyncio.wait([looking])
        assert looking.cancelled()
        assert ended.is_set()


async def test_a_look_that_takes_too_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its time is bounded, and the words say so."""
    monkeypatch.setattr("pulsebot.materialize.look.LOOK_S", 0.01)
    with closing(sqlite3.connect(":memory:", check_same_thread=False)) as connection:
        with pytest.raises(InvalidInput, match=r"0\.01 s"):
            await looked(connection, lambda c: c.execute(ENDLESS).fetchall())
        assert connection.execute("SELECT 1").fetchone() == (1,)
