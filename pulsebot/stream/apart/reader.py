"""A reader whose work is done in a process of its own; see `pulsebot.stream.base.Reader`.

It knows how far the caller was given records, so a process that dies, or hangs, is replaced by
one that goes on there. This module must not know which stream is read.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Self

import structlog

from pulsebot.errors import InvalidInput, StreamError
from pulsebot.stream.apart import wire
from pulsebot.stream.apart.process import Process, ProcessEnded
from pulsebot.stream.apart.records import RecordsApart
from pulsebot.stream.apart.wire import (
    Answer,
    Ends,
    Found,
    Make,
    OffsetsAt,
    Prepare,
    Read,
    Seek,
    Told,
)
from pulsebot.stream.base import Gap, Partition, Record

LATE_S = 60.0
"""A process that answers this much later than it should hangs, and is replaced."""

PAUSE_S = 1.0
"""Before a process is replaced: one that cannot live shall not keep the machine busy."""

_log = structlog.get_logger(__name__)


class ReaderApart:
    """Reads by another reader, which `make` gives in the other process.

    What the `Preparer` that `prepare` gives makes of records there comes with them, as
    `Prepared`. Both must be picklable.
    """

    def __init__(self, make: Make, prepare: Prepare) -> None:
        self._make = make
        self._prepare = prepare
        self._process: asyncio.Task[Process] | None = None
        self._next: dict[Partition, int] = {}
        self._reading: asyncio.Future[Answer] | None = None
        self._kept: Sequence[Record] = ()
        self._gaps: list[Gap] = []

    async def __aenter__(self) -> Self:
        self._process = asyncio.create_task(self._started())
        await self._process
        return self

    async def __aexit__(self, *exc: object) -> None:
        starting, self._process = self._process, None
        if starting is None:
            return
        if not starting.done():  # else nothing to wait for, in which a cancellation could come
            starting.cancel()
            await asyncio.wait([starting])
        if not starting.cancelled() and starting.exception() is None:
            await starting.result().close()

    async def seek(self, positions: Mapping[Partition, int]) -> None:
        """Go on at these offsets; a partition that is not named starts at its oldest record."""
        self._next = dict(positions)
        self._reading, self._kept = None, ()
        process = await self._present()
        try:
            async with asyncio.timeout(LATE_S):
                await process.ask(Seek(wire.offsets_of(positions)))
        except (ProcessEnded, TimeoutError):
            self._replace(process)  # the new one begins there

    async def read(self, *, max_records: int, timeout_s: float) -> Sequence[Record]:
        """Return the next records, at most `max_records`, in order within each partition.

        Empty when `timeout_s` passes without any. A cancelled call loses nothing.
        """
        records = self._kept or await self._records(max_records, timeout_s)
        self._kept = records[max_records:]
        return records[:max_records] if self._kept else records

    async def ends(self) -> Mapping[Partition, int]:
        """Return for each partition the offset that its next record will get.

        Raises StreamError without an answer in time.
        """
        return await self._told(Ends())

    async def offsets_at(self, time_ms: int) -> Mapping[Partition, int]:
        """Return for each partition the first offset whose log time is at or after `time_ms`.

        A partition with no such record answers its end. Raises StreamError like `ends`.
        """
        return await self._told(OffsetsAt(time_ms))

    def gaps(self) -> Sequence[Gap]:
        """Return, and forget, what retention removed before it was read."""
        gaps, self._gaps = self._gaps, []
        return gaps

    async def _records(self, max_records: int, timeout_s: float) -> Sequence[Record]:
        """Have records read; what an earlier call that was cancelled asked for comes first."""
        if self._process is not None and not self._process.done():
            await asyncio.wait([self._process], timeout=timeout_s)
            if not self._process.done():
                return ()
        process = await self._present()
        self._reading = self._reading or process.ask(Read(max_records, timeout_s))
        try:
            async with asyncio.timeout(timeout_s + LATE_S):
                found = await asyncio.shield(self._reading)
        except (ProcessEnded, TimeoutError):
            self._replace(process)
            return ()
        except (StreamError, InvalidInput):
            self._reading = None
            raise
        self._reading = None
        return self._taken(found) if isinstance(found, Found) else ()

    def _taken(self, found: Found) -> Sequence[Record]:
        self._gaps += wire.gaps_of(found)
        for run in found.runs:
            self._next[Partition(run.topic, run.partition)] = run.offsets[-1] + 1
        return RecordsApart(found)

    async def _told(self, question: Ends | OffsetsAt) -> Mapping[Partition, int]:
        try:
            async with asyncio.timeout(LATE_S):
                told = await (await self._present()).ask(question)
        except TimeoutError as error:
            raise StreamError("the process that reads the stream does not answer") from error
        return wire.positions_of(told.offsets) if isinstance(told, Told) else {}

    async def _present(self) -> Process:
        """Return the process, as soon as it has opened the stream."""
        if self._process is None:
            raise StreamError("the reader is closed")
        return await asyncio.shield(self._process)

    def _replace(self, process: Process) -> None:
        """Have a process replaced that ended or hangs, if it is still the present one."""
        present = self._process
        if present is None or not present.done() or present.result() is not process:
            return
        _log.error("the process that reads the stream has ended or hangs; another one goes on")
        self._reading = None
        self._process = asyncio.create_task(self._restarted(process))

    async def _restarted(self, old: Process) -> Process:
        await old.kill()
        await asyncio.sleep(PAUSE_S)
        return await self._started()

    async def _started(self) -> Process:
        """Start a process, again and again while it cannot live; return it when it can read."""
        while True:
            process = Process(self._make, self._prepare)
            try:
                await process.opened
                await process.ask(Seek(wire.offsets_of(self._next)))
            except ProcessEnded:
                _log.error("the process that reads the stream cannot live", again_in_s=PAUSE_S)
                await process.kill()
                await asyncio.sleep(PAUSE_S)
            except BaseException:
                await process.kill()
                raise
            else:
                return process
