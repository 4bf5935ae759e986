"""One reading process as the bot sees it: started, asked, and seen to its end.

This module must not know what the questions mean.
"""

import asyncio
import contextlib
import os
import pickle
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from threading import Thread

import structlog

from pulsebot.errors import StreamError
from pulsebot.stream.apart import wire
from pulsebot.stream.apart.line import Line
from pulsebot.stream.apart.wire import Answer, Fault, Make, Prepare, Question

CLOSE_S = 10.0
"""Time that the process gets to leave the stream in order; then it is killed."""

_FRUGAL = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "262144"}
"""Has glibc give megabytes back as soon as they are free: Kafka's answers are such lumps."""

_ROOT = Path(__file__).parents[3]
"""The folder that the package is in; where it is not installed, nothing else tells of it."""


class ProcessEnded(StreamError):
    """The reading process has ended without an answer."""


class Process:
    """One reading process. It must be closed, and it ends when this one does.

    `make` and `prepare` are pickled, and called over there. To be made in a running loop.
    """

    def __init__(self, make: Make, prepare: Prepare) -> None:
        self._loop = asyncio.get_running_loop()
        self._numbers: Iterator[int] = count(1)
        self._asked: dict[int, asyncio.Future[Answer]] = {}
        ours, theirs = socket.socketpair()
        with theirs:
            self._child = _started(theirs)
        self._line = Line(ours)
        self.opened = self._expect(0)
        self._line.send(pickle.dumps((make, prepare)))
        self._receiver = Thread(target=self._receive, name="records", daemon=True)
        self._receiver.start()

    def ask(self, question: Question) -> asyncio.Future[Answer]:
        """Put a question; the answer fails with ProcessEnded, or with what went wrong there."""
        number = next(self._numbers)
        answer = self._expect(number)
        try:
            self._line.send(wire.encoded(wire.Request(number, question)))
        except OSError:
            self._fail()
        return answer

    async def close(self) -> None:
        """End the process and wait for its end, which comes even if the waiting is cancelled."""
        with contextlib.suppress(OSError):  # hung up already
            self._line.hang_up()
        ended = self._loop.create_future()
        # A thread of its own: a pool forgets what it has not begun when the waiting is given up.
        Thread(target=self._wait, args=(ended,), name="reading-ends").start()
        await ended
        self._fail()

    async def kill(self) -> None:
        """End the process at once."""
        self._child.kill()
        await self.close()

    def _wait(self, ended: asyncio.Future[None]) -> None:
        """See to the end of the process, then tell the loop; runs in a thread."""
        try:
            self._child.wait(CLOSE_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._receiver.join()
        self._line.close()  # not earlier: the receiver may be in the middle of using it
        with contextlib.suppress(RuntimeError):  # the loop has ended first
            self._loop.call_soon_threadsafe(_tell, ended)

    def _expect(self, number: int) -> asyncio.Future[Answer]:
        answer: asyncio.Future[Answer] = self._loop.create_future()
        self._asked[number] = answer
        return answer

    def _receive(self) -> None:
        """Pass on answers to the loop until the process has ended; runs in a thread."""
        while (message := self._line.receive()) is not None:
            self._loop.call_soon_threadsafe(self._take, wire.reply(message))
        self._loop.call_soon_threadsafe(self._fail)

    def _take(self, reply: wire.Reply) -> None:
        if isinstance(reply.answer, wire.Logged):
            _log(reply.answer)
            return
        answer = self._asked.pop(reply.number, None)
        if answer is None or answer.done():
            return  # whoever asked does not wait any more
        if isinstance(reply.answer, Fault):
            answer.set_exception(wire.error_of(reply.answer))
        else:
            answer.set_result(reply.answer)

    def _fail(self) -> None:
        """Tell all who wait that there will be no answer."""
        while self._asked:
            _, answer = self._asked.popitem()
            if not answer.done():
                answer.set_exception(ProcessEnded("the process that reads the stream has ended"))
                answer.exception()  # whoever cares awaits it; else it is no news


def _tell(ended: asyncio.Future[None]) -> None:
    if not ended.done():
        ended.set_result(None)


def _started(theirs: socket.socket) -> subprocess.Popen[bytes]:
    path = [] if str(_ROOT) == sysconfig.get_path("purelib") else [str(_ROOT)]
    path += filter(None, [os.environ.get("PYTHONPATH")])
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "pulsebot.stream.apart", str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        env=_FRUGAL | os.environ | {"PYTHONPATH": os.pathsep.join(path)},
        process_group=0,  # what is typed at the terminal is for the bot alone
    )


def _log(line: wire.Logged) -> None:
    structlog.get_logger(line.logger).log(wire.level_of(line), line.event, **line.facts)
