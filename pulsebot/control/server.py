"""The bot's end of the socket: each connection asks once and is answered until it is closed.

Who may connect, may do anything: the socket file lets only the bot's own user in.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import structlog

from pulsebot.control import socketfile, wire
from pulsebot.control.wire import Fault, Reply
from pulsebot.errors import InvalidInput, StoreError
from pulsebot.materialize.desk import Desk
from pulsebot.materialize.session import session

log = structlog.get_logger(__name__)

CONNECTIONS = 32
"""Connections at once; a further one is told to try again."""


@asynccontextmanager
async def serving(database: Path, desk: Desk) -> AsyncIterator[None]:
    """Serve a desk over the socket beside a database while entered.

    Without a socket the bot works all the same: what hinders it is logged.
    """
    path = socketfile.beside(database)
    try:
        listener = socketfile.bound(path)
    except (OSError, InvalidInput) as error:
        log.warning("`pulsebot sql` cannot reach this bot: it has no socket", error=str(error))
        yield
        return
    clerk = _Clerk(desk)
    server = await asyncio.start_unix_server(clerk.serve, sock=listener, limit=wire.REQUEST)
    try:
        yield
    finally:
        server.close()
        await clerk.close()
        with suppress(FileNotFoundError):
            path.unlink()


class _Clerk:
    """Answers connections, each in a task of its own."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection; whoever hangs up is not answered any longer."""
        answering = asyncio.create_task(self._answer(reader, writer), name="control")
        self._tasks.add(answering)
        try:
            await asyncio.wait([answering])
        finally:
            self._tasks.discard(answering)
            writer.close()

    async def close(self) -> None:
        """Hang up on everybody."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._tasks) > CONNECTIONS:
            await _say(writer, Reply(fault=Fault("too many are asking at once; try again")))
            return
        try:
            line = await reader.readline()
        except (ValueError, ConnectionError):  # longer than any request may be, or gone
            return
        answering = asyncio.create_task(self._carry_out(line, writer))
        hung_up = asyncio.create_task(reader.read(1))
        try:
            await asyncio.wait([answering, hung_up], return_when=asyncio.FIRST_COMPLETED)
        finally:
            answering.cancel()
            hung_up.cancel()
            await asyncio.gather(answering, hung_up, return_exceptions=True)

    async def _carry_out(self, line: bytes, writer: asyncio.StreamWriter) -> None:
        try:
            text = wire.request(line).sql
            async for piece in session(self._desk, text):
                await _say(writer, wire.reply_of(piece))
        except (InvalidInput, StoreError) as error:
            await _say(writer, Reply(fault=wire.fault_of(error)))
        except ConnectionError:
            return
        except Exception:
            reference = uuid.uuid4().hex[:8]
            log.exception("a statement failed", reference=reference, line=line[:500])
            said = f"that failed; the details are in the bot's log under {reference}"
            await _say(writer, Reply(fault=Fault(said)))
        await _say(writer, Reply(end=True))


async def _say(writer: asyncio.StreamWriter, reply: Reply) -> None:
    with suppress(ConnectionError):
        writer.write(wire.encode(reply))
        await writer.drain()
