"""The embedded log's Reader: looks for new records from a thread of its own.

Waiting is a glance at the size and time of SQLite's write-ahead file, every 5 ms at first, then
slower, down to every 50 ms: half a per cent of a core. Files' times are coarse, so every second
the log itself is asked.

This module must not know the tables.
"""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, Self, TypeVar

from pulsebot.errors import InvalidInput, StreamError
from pulsebot.stream.base import Gap, Partition
from pulsebot.stream.config import LocalStream, Topics
from pulsebot.stream.local.scanner import Cursor, LocalRecord, Scanner

SHORTEST_PAUSE_S = 0.005
LONGEST_PAUSE_S = 0.05
ASK_EVERY_S = 1.0

P = ParamSpec("P")
T = TypeVar("T")


class LocalReader:
    """Reads the log in append order over all its topics; see `pulsebot.stream.base.Reader`.

    A file that is moved away while reading is followed by its name: the new log is read from
    its beginning, and `gaps` says so (with `asked` beyond `earliest`). What no waiting mends,
    such as a damaged file, is raised as StreamError.
    """

    def __init__(self, settings: LocalStream) -> None:
        self._scanner = Scanner(settings.path, _selection(settings.topics))
        self._cursor = Cursor()
        self._gaps: list[Gap] = []
        self._thread: ThreadPoolExecutor | None = None

    async def __aenter__(self) -> Self:
        thread = ThreadPoolExecutor(1, thread_name_prefix="pulsebot-log-reader")
        try:
            await asyncio.get_running_loop().run_in_executor(thread, self._scanner.open)
        except BaseException:
            thread.submit(self._scanner.close)
            thread.shutdown(wait=False)
            raise
        self._cursor = self._cursor.again()
        self._thread = thread
        return self

    async def __aexit__(self, *exc: object) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            closed = asyncio.get_running_loop().run_in_executor(thread, self._scanner.close)
            thread.shutdown(wait=False)
            await closed

    async def seek(self, positions: Mapping[Partition, int]) -> None:
        """Go on at these offsets; a topic that is not named starts at its oldest record."""
        self._cursor = Cursor(dict(positions))

    async def read(self, *, max_records: int, timeout_s: float) -> Sequence[LocalRecord]:
        """Return the next records, at most `max_records` and about 16 MiB, in append order.

        Empty when `timeout_s` passes without any. A cancelled call loses nothing.
        """
        clock = asyncio.get_running_loop().time
        deadline = clock() + timeout_s
        while True:
            seen = self._scanner.glance()
            records, at_end = await self._look(max_records)
            left = deadline - clock()
            if records or left <= 0:
                return records
            if at_end:
                await self._wait(seen, min(left, ASK_EVERY_S))

    async def _wait(self, seen: object, at_most_s: float) -> None:
        clock = asyncio.get_running_loop().time
        deadline = clock() + at_most_s
        pause = SHORTEST_PAUSE_S
        while self._thread and self._scanner.glance() == seen and (left := deadline - clock()) > 0:
            await asyncio.sleep(min(pause, left))
            pause = min(pause * 1.5, LONGEST_PAUSE_S)

    async def _look(self, max_records: int) -> tuple[Sequence[LocalRecord], bool]:
        cursor = self._cursor
        scan = await self._in_thread(self._scanner.scan, cursor, max_records)
        if self._cursor is not cursor:  # somebody has called seek meanwhile
            return (), False
        self._cursor = scan.cursor
        self._gaps.extend(scan.gaps)
        return scan.records, scan.at_end

    async def ends(self) -> Mapping[Partition, int]:
        """Return for each topic that exists the offset that its next record will get."""
        return await self._in_thread(self._scanner.ends)

    async def offsets_at(self, time_ms: int) -> Mapping[Partition, int]:
        """Return for each topic the first offset whose log time is at or after `time_ms`.

        A topic with no such record answers its end.
        """
        return await self._in_thread(self._scanner.offsets_at, time_ms)

    def gaps(self) -> Sequence[Gap]:
        """Return, and forget, what retention removed before it was read."""
        gaps, self._gaps = self._gaps, []
        return gaps

    async def _in_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._thread is None:
            raise StreamError("the reader is closed")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: function(*args, **kwargs))


def _selection(topics: Topics) -> Callable[[str], bool]:
    if topics.pattern is None:
        return frozenset(topics.to_read()).__contains__
    try:
        pattern = re.compile(topics.pattern)
    except re.error as error:
        raise InvalidInput(
            f"stream.topics.pattern {topics.pattern!r}: {error}; give a regular expression"
        ) from error
    return lambda name: pattern.fullmatch(name) is not None
