"""Looks: queries of one follower on a connection of its own, each bounded, in threads.

This module must not know what is looked for.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Concatenate, ParamSpec, TypeVar

from pulsebot.errors import InvalidInput
from pulsebot.materialize.pull import STEPS, said
from pulsebot.store.database import Connection

P = ParamSpec("P")
T = TypeVar("T")

LOOK_S = 5.0
"""Time that one look may take."""

INTERRUPT_S = 0.1
"""An interruption reaches only a statement that runs: it is repeated this often."""


async def looked(
    connection: Connection,
    work: Callable[Concatenate[Connection, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Look in a thread. Cancelled, it returns only when the thread has let go of the connection.

    Whoever cancels closes the connection next, which a thread in the middle of a look would not
    survive, nor the whole process.
    """
    looking = asyncio.ensure_future(
        asyncio.to_thread(lambda: _bounded(connection, work, *args, **kwargs))
    )
    try:
        return await asyncio.shield(looking)
    except asyncio.CancelledError:
        while not looking.done():
            connection.interrupt()
            with suppress(asyncio.CancelledError):
                await asyncio.wait([looking], timeout=INTERRUPT_S)
        raise


def _bounded(
    connection: Connection,
    work: Callable[Concatenate[Connection, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Run one look; raises InvalidInput where it takes too long."""
    ends = time.monotonic() + LOOK_S
    connection.set_progress_handler(lambda: time.monotonic() > ends, STEPS)
    try:
        return work(connection, *args, **kwargs)
    except sqlite3.Error as error:
        raise InvalidInput(said(error, LOOK_S)) from None
