"""The embedded log's Writer: appends in a thread of its own.

This module must not know the tables.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self

from pulsebot.errors import StreamError
from pulsebot.stream.base import Outgoing
from pulsebot.stream.config import LocalStream
from pulsebot.stream.local.appender import Appender

DAY_MS = 86_400_000


class LocalWriter:
    """Appends to the log; any number of writers, in any number of processes, may do so.

    Records appended in one call are adjacent, and are in the log all or not at all. A
    cancelled `append` may still take effect.
    """

    def __init__(self, settings: LocalStream) -> None:
        retention_ms = int(settings.topics.retention_days * DAY_MS)
        self._appender = Appender(settings.path, retention_ms)
        self._thread: ThreadPoolExecutor | None = None

    async def __aenter__(self) -> Self:
        thread = ThreadPoolExecutor(1, thread_name_prefix="pulsebot-log-writer")
        try:
            await asyncio.get_running_loop().run_in_executor(thread, self._appender.open)
        except BaseException:
            thread.submit(self._appender.close)
            thread.shutdown(wait=False)
            raise
        self._thread = thread
        return self

    async def __aexit__(self, *exc: object) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            closed = asyncio.get_running_loop().run_in_executor(thread, self._appender.close)
            thread.shutdown(wait=False)
            await closed

    async def append(self, records: Sequence[Outgoing]) -> None:
        """Append all records; they are on disk when it returns.

        Raises StreamError, naming the file and the mend, after about 10 s where other
        processes keep the log locked, at once where the disk is full or the file damaged.
        """
        if self._thread is None:
            raise StreamError("the writer is closed")
        if records:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._thread, self._appender.append, records)
