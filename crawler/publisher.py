"""The publisher: carries events from spools to the stream, at least once, for ever trying.

A batch is forgotten only after the stream has acknowledged it; after an unclear outcome the
same events go out again with the same producer and sequence, which is how the far end counts
them once. What the stream will never take is set aside alone, and told. Spools that dead
processes left in the folder are emptied and removed on the way.

This module must not know what the events mean, or who made them.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Iterable

from crawler.spool import Spool, Spooled
from crawler.spoolfolder import SpoolFolder
from pulsebot.errors import InvalidInput, StoreError, StreamError
from pulsebot.stream.base import Outgoing, Writer
from pulsebot.stream.config import Topics

log = logging.getLogger(__name__)

BATCH = 500
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 30.0
SPOOL_PAUSE_S = 1.0
LOOK_FOR_LEFTOVERS_S = 30.0


class Publisher:
    """Publishes one process's own spool, and leftovers in `folder` where one is given.

    Runs on one event loop, which is also where the spool is appended to; after an append
    call `notice`.
    """

    def __init__(
        self,
        spool: Spool,
        open_writer: Callable[[], Writer],
        topics: Topics,
        *,
        folder: SpoolFolder | None = None,
    ) -> None:
        self._spool = spool
        self._open_writer = open_writer
        self._topics = topics
        self._folder = folder
        self._news = asyncio.Event()
        self._empty = asyncio.Event()

    def notice(self) -> None:
        """Say that the spool has new events."""
        self._empty.clear()
        self._news.set()

    async def run(self) -> None:
        """Publish until cancelled; a fault is logged and everything opened afresh."""
        pause = FIRST_PAUSE_S
        while True:
            try:
                await self._run_once()
            except Exception:  # a publisher that ends would leave the spool filling up unseen
                log.exception("the publisher starts again in %.1f s", pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)

    async def _run_once(self) -> None:
        async with self._open_writer() as writer, asyncio.TaskGroup() as group:
            group.create_task(self._follow(writer))
            if self._folder is not None:
                group.create_task(self._adopt(writer, self._folder))

    async def flush(self) -> None:
        """Return when the stream has everything that was in our own spool."""
        if self._spool.pending:
            await self._empty.wait()

    async def _follow(self, writer: Writer) -> None:
        while True:
            self._news.clear()
            try:
                await self._drain(self._spool, writer)
            except StoreError as error:
                log.warning("trying again: %s", error)
                await asyncio.sleep(SPOOL_PAUSE_S)
                continue
            self._empty.set()
            await self._news.wait()

    async def _adopt(self, writer: Writer, folder: SpoolFolder) -> None:
        while True:
            try:
                for spool in folder.leftovers():
                    try:
                        await self._drain(spool, writer)
                    except BaseException:
                        spool.close()
                        raise
                    spool.remove()
            except StoreError as error:
                log.warning("cannot look after left-over spools: %s", error)
            await asyncio.sleep(LOOK_FOR_LEFTOVERS_S)

    async def _drain(self, spool: Spool, writer: Writer) -> None:
        while batch := spool.take(BATCH):
            try:
                await self._append(writer, batch)
            except InvalidInput:
                await self._one_by_one(spool, writer, batch)
            else:
                spool.done(batch[-1].sequence)

    async def _one_by_one(self, spool: Spool, writer: Writer, batch: Iterable[Spooled]) -> None:
        """Find which events of a batch the stream will never take; the others go their way."""
        for item in batch:
            try:
                await self._append(writer, [item])
            except InvalidInput as error:
                log.error("%s", spool.set_aside(item, str(error)))  # noqa: TRY400 - not our fault
            else:
                spool.done(item.sequence)

    async def _append(self, writer: Writer, batch: Iterable[Spooled]) -> None:
        records = [
            Outgoing(self._topics.name(item.kind.value, item.service), item.service, item.value)
            for item in batch
        ]
        pause = FIRST_PAUSE_S
        while True:
            try:
                await writer.append(records)
            except StreamError as error:
                log.warning("the stream did not take %d events: %s", len(records), error)
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
                pause = min(pause * 2, LONGEST_PAUSE_S)
            else:
                return
