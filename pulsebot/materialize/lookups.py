"""Lookup files: their rows go into the catalog, at the start and whenever a file has changed.

What was counted before stays as it is; a view that is being built goes on with the rows that
there were when that began. This module must not know when it is time to look.
"""

import asyncio
from pathlib import Path

import msgspec
import structlog

from pulsebot.errors import InvalidInput
from pulsebot.lookupfile import read_lookup
from pulsebot.materialize.definitions import created
from pulsebot.store import viewcatalog
from pulsebot.store.database import Database
from pulsebot.store.viewcatalog import Entry
from pulsebot.views.lookup import file_of
from pulsebot.views.statement import Create

log = structlog.get_logger(__name__)

Stamp = tuple[int, ...]
"""What is another after a file was written or replaced; empty where there is none."""


class LookupFiles:
    """Keeps the lookup tables of a catalog as their files are."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._seen: dict[int, Stamp] = {}

    async def refresh(self) -> None:
        """Read what was changed since the last time; a fault is logged once, the rows stay."""
        for entry in await self._database.read(viewcatalog.entries):
            if entry.kind == "LOOKUP":
                try:
                    await self._refresh(entry)
                except InvalidInput as error:
                    log.error("a lookup file cannot be read; its earlier rows stay",  # noqa: TRY400 - the file is at fault
                              table=entry.name, error=str(error))  # fmt: skip

    async def _refresh(self, entry: Entry) -> None:
        create = created(entry.statement)
        stamp = await asyncio.to_thread(_stamp, Path(file_of(create)))
        if self._seen.get(entry.id) == stamp:
            return
        self._seen[entry.id] = stamp
        content = await asyncio.to_thread(_content, create)
        if content != entry.content:
            await self._database.write(viewcatalog.set_content, entry.id, content)
            log.info("a lookup table has changed", table=entry.name)


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_mtime_ns, found.st_size


def _content(create: Create) -> bytes:
    return msgspec.msgpack.encode(read_lookup(create))
