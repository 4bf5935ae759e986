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
from collections.abc import MutableMapping, Sequence
from threading import Thread
from typing import Any

import structlog

from pulsebot.errors import InvalidInput, StreamError
from pulsebot.stream.apart import wire
from pulsebot.stream.apart.line import Line
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
from pulsebot.stream.base import Reader, Record

MANY = 500
"""Records found at once that show that there are more to come."""

PIECE = 1_000
"""Records that are prepared before the next look whether somebody waits for them."""

OPENING = 0
"""Number of the answer to a question that nobody put: whether the stream is open."""


def serve(number: int) -> None:
    """Serve the socket with this file number until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    line = Line(socket.socket(fileno=number))
    # The settings, with their secrets, from the process that started this one.
    if (message := line.receive()) is not None:
        asyncio.run(_serve(line, *pickle.loads(message)))  # noqa: S301


async def _serve(line: Line, make: Make, prepare: Prepare) -> None:
    _log_to(line)
    clerk = _Clerk(line, prepare)
    working = asyncio.create_task(clerk.work(make))
    listening = asyncio.create_task(_listen(line, clerk.questions))
    await asyncio.wait([working, listening], return_when=asyncio.FIRST_COMPLETED)
    for task in (working, listening):
        task.cancel()
    await asyncio.gather(working, listening, return_exceptions=True)
    if not working.cancelled():
        working.result()  # a fault of ours ends the process with its traceback


async def _listen(line: Line, questions: asyncio.Queue[wire.Request]) -> None:
    """Pass on questions; return when the other end is closed."""
    loop, closed = asyncio.get_running_loop(), asyncio.Event()

    def receive() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended first
            while (message := line.receive()) is not None:
                loop.call_soon_threadsafe(questions.put_nowait, wire.request(message))
            loop.call_soon_threadsafe(closed.set)

    Thread(target=receive, name="questions", daemon=True).start()
    await closed.wait()


class _Clerk:
    """Answers questions; while there is much to read, the next records are read unasked."""

    def __init__(self, line: Line, prepare: Prepare) -> None:
        self.questions: asyncio.Queue[wire.Request] = asyncio.Queue()
        self._line = line
        self._prepare = prepare
        self._reading: asyncio.Task[None] | None = None
        self._ahead: asyncio.Task[Answer] | None = None
        self._awaited = False

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
        """Answer with records, and if they were many, have the next ones ready by then."""
        ahead, self._ahead, self._awaited = self._ahead, None, True
        try:
            answer = await (ahead or self._answer_to(read, reader))
        finally:
            self._awaited = False
        if isinstance(answer, Found) and sum(len(run.offsets) for run in answer.runs) >= MANY:
            self._ahead = asyncio.create_task(self._answer_to(read, reader))
        await self._say(number, answer)

    async def _answer_to(self, question: Question, reader: Reader) -> Answer:
        try:
            match question:
                case Seek(offsets):
                    await reader.seek(wire.positions_of(offsets))
                    return wire.Done()
                case Read(max_records, timeout_s):
                    records = await reader.read(max_records=max_records, timeout_s=timeout_s)
                    return wire.found(records, await self._prepared(records), reader.gaps())
                case Ends():
                    return wire.Told(wire.offsets_of(await reader.ends()))
                case OffsetsAt(time_ms):
                    return wire.Told(wire.offsets_of(await reader.offsets_at(time_ms)))
        except (StreamError, InvalidInput) as error:
            return wire.fault_of(error)

    async def _prepared(self, records: Sequence[Record]) -> bytes:
        """Prepare records until somebody waits for them, who then has the time to go on."""
        preparer = self._prepare()
        for start in range(0, len(records), PIECE):
            await asyncio.sleep(0)  # let the question come
            if self._awaited:
                break
            preparer.take(records[start : start + PIECE])
        return preparer.made()

    async def _say(self, number: int, answer: Answer) -> None:
        _send(self._line, number, answer)


def _send(line: Line, number: int, answer: Answer) -> None:
    with contextlib.suppress(OSError):  # nobody is there any more: the listener ends us
        line.send(wire.encoded(wire.Reply(number, answer)))


def _log_to(line: Line) -> None:
    """Have the bot write this process's log: it knows the format, and what is secret."""

    def say(logger: str, level: str, event: str, facts: dict[str, Any]) -> None:
        _send(line, OPENING, wire.Logged(logger, level, event, facts))

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
