"""Who carries a statement out: the bot that runs, or, where none does, this process."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from pulsebot.control import client
from pulsebot.errors import StoreError
from pulsebot.materialize.answer import Piece
from pulsebot.materialize.builder import Around
from pulsebot.materialize.desk import Desk
from pulsebot.materialize.session import built, session
from pulsebot.settings import Settings
from pulsebot.store.database import Database

TRIES = 10
PAUSE_S = 0.3
"""A bot that starts holds the database some time before it listens, one that ends after."""


async def carried_out(settings: Settings, text: str) -> AsyncGenerator[Piece, None]:
    """Have statements carried out; raises InvalidInput, or StoreError where nobody can."""
    for attempt in range(1, TRIES + 1):
        if connection := await client.connect(settings.database):
            async with aclosing(connection.ask(text)) as pieces:
                async for piece in pieces:
                    yield piece
            return
        database = Database(settings.database)
        try:
            await database.__aenter__()
        except StoreError:
            if attempt == TRIES:
                raise
            await asyncio.sleep(PAUSE_S)
            continue
        break
    try:
        async with aclosing(_here(database, settings, text)) as pieces:
            async for piece in pieces:
                yield piece
    finally:
        await database.__aexit__()


async def _here(database: Database, settings: Settings, text: str) -> AsyncGenerator[Piece, None]:
    """Carry statements out while the bot is stopped; go on with what it was building."""
    desk = Desk(Around(database, settings, _now_ms))
    try:
        await desk.builder.resume()
        async for piece in session(desk, text):
            yield piece
        async for piece in built(desk):
            yield piece
    finally:
        await desk.builder.close()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
