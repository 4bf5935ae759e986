"""The terminal's end of the socket."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

from pulsebot.control import socketfile, wire
from pulsebot.control.wire import Request
from pulsebot.errors import StoreError
from pulsebot.materialize.answer import Piece


async def connect(database: Path) -> "Connection | None":
    """Return a connection to the bot that owns a database; None where none runs."""
    connected = socketfile.connected(socketfile.beside(database))
    if connected is None:
        return None
    return Connection(*await asyncio.open_unix_connection(sock=connected, limit=wire.REPLY))


class Connection:
    """Asks once; hanging up ends what was asked for."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, sql: str) -> AsyncGenerator[Piece, None]:
        """Have statements carried out; raises InvalidInput, or StoreError where the bot ends."""
        try:
            self._writer.write(wire.encode(Request(sql)))
            while line := await self._reader.readline():
                reply = wire.reply(line)
                if reply.fault:
                    raise reply.fault.error()
                if reply.end:
                    return
                if reply.piece:
                    yield reply.piece
        except ConnectionError:
            pass
        finally:
            self._writer.close()
        raise StoreError("the bot ended before it had answered; is it still running?")
