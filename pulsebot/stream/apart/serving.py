"""The reading process: opens one reader and answers what the bot asks, until it hangs up.

It ends with the bot, however that ends; signals that whoever stops the bot sends to all its
processes are not for this one. It logs through the bot.

This module must not know which stream it reads.
"""

import asyncio
import contextlib
import logging
import pickle
import signal
import socket
from collections.abc import MutableMapping
from typing import Any

import structlog

from pulsebot.errors import InvalidInput, StreamError
from pulsebot.stream.apart import wire
from pulsebot.stream.apart.wire import (
    Answer,
    Ends,
    Found,
    Make,
    OffsetsAt,
    Prepare,
    Question,
    Read,
    Seek,
)
from pulsebot.stream.base import Reader

MANY = 500
"""Records found at once that show that there are more to come."""

OPENING = 0
"""Number of the answer to a question that nobody put: whether the stream is open."""


def serve(number: int) -> None:
    """Serve the socket with this file number until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    asyncio.run(_serve(socket.socket(fileno=number)))


async def _serve(connection: socket.socket) -> None:
    asked, answers = await asyncio.open_connection(sock=connection)
    _log_to(answers)
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        # The settings, with their secrets, from the process that started this one.
        make, prepare = pickle.loads(await _received(asked))  # noqa: S301
        clerk = _Clerk(answers, prepare)
        working = asyncio.create_task(clerk.work(make))
        listening = asyncio.create_task(_listen(asked, clerk.questions))
        await asyncio.wait([working, listening], return_when=asyncio.FIRST_COMPLETED)
        for task in (working, listening):
            task.cancel()
        await asyncio.gather(working, listening, return_exceptions=True)
        if not working.cancelled():
            working.result()  # a fault of ours ends the process with its traceback


async def _listen(asked: asyncio.StreamReader, questions: asyncio.Queue[wire.Request]) -> None:
    """Pass on questions; return when the other end is closed."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            questions.put_nowait(wire.request(await _received(asked)))


async def _received(asked: asyncio.StreamReader) -> bytes:
    length = int.from_bytes(await asked.readexactly(wire.LENGTH_BYTES), "big")
    return await asked.readexactly(length)


class _Clerk:
    """Answers questions; while there is much to read, the next records are read unasked."""

    def __init__(self, answers: asyncio.StreamWriter, prepare: Prepare) -> None:
        self.questions: asyncio.Queue[wire.Request] = asyncio.Queue()
        self._answers = answers
        self._answers.transport.set_write_buffer_limits(0)  # `drain` shall wait for all of it
        self._prepare = prepare
        self._reading: asyncio.Task[None] | None = None
        self._ahead: asyncio.Task[Answer] | None = None

    async def work(self, make: Make) -> None:
        """Open the stream and answer until cancelled, or until it cannot be opened."""
        try:
            reader = make()
            async with reader, asyncio.TaskGroup() as group:
                await self._say(OPENING, wire.Done())
                while True:
                    await self._take_up(await self.questions.get(), reader, group)
        except (InvalidInput, StreamError) as error:
            await self._say(OPENING, wire.fault_of(error))

    async def _take_up(
        self, request: wire.Request, reader: Reader, group: asyncio.TaskGroup
    ) -> None:
        match request.question:
            case Seek():
                await self._forget()
                await self._answer(request, reader)
            case Read() as read:
                self._reading = group.create_task(self._read(request.number, read, reader))
            case _:
                group.create_task(self._answer(request, reader))

    async def _forget(self) -> None:
        """End what reads: what it found from here on would be of the new positions, and lost."""
        tasks = [task for task in (self._reading, self._ahead) if task is not None]
        self._reading = self._ahead = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _answer(self, request: wire.Request, reader: Reader) -> None:
        await self._say(request.number, await self._answer_to(request.question, reader))

    async def _read(self, number: int, read: Read, reader: Reader) -> None:
        """Answer with records; then, if they were many, have the next ones ready."""
        ahead, self._ahead = self._ahead, None
        answer = await (ahead or self._answer_to(read, reader))
        await self._say(number, answer)
        if isinstance(answer, Found) and sum(len(run.offsets) for run in answer.runs) >= MANY:
            self._ahead = asyncio.create_task(self._answer_to(read, reader))

    async def _answer_to(self, question: Question, reader: Reader) -> Answer:
        try:
            match question:
                case Seek(offsets):
                    await reader.seek(wire.positions_of(offsets))
                    return wire.Done()
                case Read(max_records, timeout_s):
                    records = await reader.read(max_records=max_records, timeout_s=timeout_s)
                    return wire.found(records, self._prepare(records), reader.gaps())
                case Ends():
                    return wire.Told(wire.offsets_of(await reader.ends()))
                case OffsetsAt(time_ms):
                    return wire.Told(wire.offsets_of(await reader.offsets_at(time_ms)))
        except (StreamError, InvalidInput) as error:
            return wire.fault_of(error)

    async def _say(self, number: int, answer: Answer) -> None:
        self._answers.write(wire.packed(wire.Reply(number, answer)))
        await self._answers.drain()


def _log_to(answers: asyncio.StreamWriter) -> None:
    """Have the bot write this process's log: it knows the format, and what is secret."""

    def say(logger: str, level: str, event: str, facts: dict[str, Any]) -> None:
        line = wire.Logged(logger, level, event, facts)
        answers.write(wire.packed(wire.Reply(OPENING, line)))

    def of_ours(
        _logger: object, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        facts = dict(event)
        say(facts.pop("logger"), facts.pop("level"), facts.pop("event"), facts)
        raise structlog.DropEvent

    class OfLibraries(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            say(record.name, record.levelname, self.format(record), {})

    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.format_exc_info,
            of_ours,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    logging.getLogger().addHandler(OfLibraries())
    logging.getLogger("pulsebot").setLevel(logging.DEBUG)
