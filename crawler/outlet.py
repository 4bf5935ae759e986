"""The outlet: spool and publisher of a process that watches others (agent and `exec`).

This module must not know what is watched.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

from crawler.publisher import Publisher
from crawler.settings import Settings
from crawler.spool import Spool
from crawler.spoolfolder import SpoolFolder
from pulsebot.event import Event
from pulsebot.stream.open import open_writer

log = logging.getLogger(__name__)

FLUSH_S = 5.0
ROOM_S = 0.5


class Outlet:
    """Stores events at once and publishes them behind the caller's back."""

    def __init__(self, spool: Spool, publisher: Publisher) -> None:
        self._spool = spool
        self._publisher = publisher

    def put(self, events: Iterable[Event], marks: Mapping[str, str] | None = None) -> None:
        """Store events, and with them how far their source was read. Raises StoreError."""
        self._spool.append(events, marks)
        self._publisher.notice()

    def mark(self, name: str) -> str | None:
        """Return how far a source was read the last time."""
        return self._spool.mark(name)

    @property
    def pending(self) -> int:
        """Number of events that the stream does not have yet."""
        return self._spool.pending

    async def room(self) -> None:
        """Return when a source that can wait may go on."""
        while self._spool.crowded:  # noqa: ASYNC110 - a spool gives no sign when it empties
            await asyncio.sleep(ROOM_S)


@asynccontextmanager
async def open_outlet(settings: Settings, name: str | None = None) -> AsyncIterator[Outlet]:
    """Open a spool (the one of that name, else any) and publish from it.

    On leaving, what can be published within 5 s is; the rest waits for the next start.
    Raises StoreError where the spool cannot be had.
    """
    folder = SpoolFolder(settings.spool.path, settings.spool.limits())
    spool = folder.open_named(name) if name else folder.open_own()
    stream = settings.stream
    publisher = Publisher(spool, lambda: open_writer(stream), stream.topics, folder=folder)
    publishing = asyncio.create_task(publisher.run())
    try:
        yield Outlet(spool, publisher)
        try:
            await asyncio.wait_for(publisher.flush(), FLUSH_S)
        except TimeoutError:
            log.warning("%d event(s) stay in the spool until the next start", spool.pending)
    finally:
        publishing.cancel()
        await asyncio.wait([publishing])
        spool.close()
