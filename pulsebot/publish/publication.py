"""A publication: one version of one view, kept in PostgreSQL.

Rows and the progress row change in one transaction that begins by moving the progress on from
exactly where it was known to be. So whoever dies, at whatever moment, nothing is lost or
doubled: PostgreSQL itself says where to go on.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from psycopg import AsyncConnection, errors

from pulsebot.publish import names, progress, table
from pulsebot.publish.base import (
    START,
    Batch,
    Change,
    Forgotten,
    Layout,
    Overtaken,
    Refused,
    Source,
    Superseded,
)
from pulsebot.publish.progress import Progress
from pulsebot.publish.table import Found, Table

Connection = AsyncConnection[Any]

PATIENCE_S = 60.0
"""Time that PostgreSQL gets for one batch; a server that is frozen answers nothing at all."""

_LOCK_TIMEOUT = "SET LOCAL lock_timeout = '3s'"
_LOCK = "SELECT pg_advisory_lock(hashtext(current_schema()), hashtext(%s))"


class Publication:
    """Made by `opened`; `at` is how far it is."""

    def __init__(self, connection: Connection, source: Source, layout: Layout) -> None:
        self._connection = connection
        self._source = source
        self._table = Table(connection, layout)
        self.layout = layout
        self.at = Progress(layout.view, self._table.name, layout.version, source.epoch, START)

    async def step(self) -> Batch:
        """Bring the next batch, and return it. Raises Superseded, Overtaken or Forgotten."""
        batch = await self._source.changes(self.layout, self.at.spot)
        if batch is None:
            raise Superseded(self.layout.view)
        if batch.changes:
            await self._complete(self.at.spot.revision)
            after = self._after(batch.changes)
            async with asyncio.timeout(PATIENCE_S), self._connection.transaction():
                await progress.move(self._connection, self.at, after)
                await self._table.write(batch.changes)
            self.at = after
        return batch

    async def _complete(self, revision: int) -> None:
        """Raise Forgotten where rows went after a revision that were not told any longer."""
        if not await self._source.remembers(self.layout, revision):
            raise Forgotten(self.layout.view)

    def _after(self, changes: Sequence[Change]) -> Progress:
        return replace(self.at, epoch=self._source.epoch, spot=changes[-1].spot)

    async def _open(self) -> None:
        """Find out where to go on; begin anew, with all rows, where there is no such place."""
        view = self.layout.view
        await self._alone()
        async with self._connection.transaction():
            kept = await progress.locked(self._connection, view)
            found = await self._table.found()
            if found and (kept is None or not found.ours):
                raise table.clash(view, self._table.name)
            if kept and found and await self._goes_on(kept, found):
                await self._table.prepare()
                self.at = kept
            else:
                await self._copy(found)

    async def _goes_on(self, kept: Progress, found: Found) -> bool:
        ours = (kept.version, kept.relation) == (self.layout.version, self._table.name)
        past = await self._source.continues(kept.epoch, kept.spot.revision)
        told = await self._source.remembers(self.layout, kept.spot.revision)
        return ours and past and told and self._table.fits(found)

    async def _copy(self, found: Found | None) -> None:
        """Write all rows, batch by batch, in the one transaction that is open.

        Who reads the table sees what was there before until it is complete. Rows that do not
        change meanwhile come once, and those that went before never came.
        """
        await self._table.make(found)
        await self._table.prepare()
        began = await self._source.revision()
        more = True
        while more:
            batch = await self._source.changes(self.layout, self.at.spot)
            if batch is None:
                raise Superseded(self.layout.view)
            old = [change for change in batch.changes if change.spot.revision <= began]
            new = batch.changes[len(old) :]
            async with asyncio.timeout(PATIENCE_S):
                await self._table.fill(old)
                if new:
                    await self._table.write(new)
                    await self._table.clear()
            if batch.changes:
                self.at = self._after(batch.changes)
            more = batch.more
        await self._complete(began)
        await self._table.index(found)
        await progress.enter(self._connection, self.at)

    async def _alone(self) -> None:
        """Take the view for this connection; two that publish it would copy it in turns.

        Waits a little for a connection that was lost, or a process that died, to let go of it.
        """
        try:
            async with self._connection.transaction():
                await self._connection.execute(_LOCK_TIMEOUT)
                await self._connection.execute(_LOCK, (f"pulsebot {self._table.name}",))
        except errors.LockNotAvailable:
            raise Refused(
                f"another pulsebot publishes {self.layout.view} there; stop that one"
            ) from None


async def opened(connection: Connection, source: Source, layout: Layout) -> Publication:
    """Return the publication of a view, its table there and exact as of some moment.

    Raises Refused where the table cannot be ours, Superseded where the version is gone,
    Forgotten where more rows went while it was copied than are remembered.
    """
    publication = Publication(connection, source, layout)
    try:
        await publication._open()  # noqa: SLF001 - the only way to make one
    except errors.DependentObjectsStillExist as error:
        raise Refused(
            f"{names.folded(layout.view)} has lost columns that something else over there uses;"
            f" drop that first: {error.diag.message_detail}"
        ) from error
    return publication


async def withdrawn(connection: Connection, kept: Progress) -> None:
    """Drop the table of a view that was dropped."""
    try:
        async with connection.transaction():
            now = await progress.locked(connection, kept.view)
            if now != kept:
                raise Overtaken(kept.relation)
            await table.drop(connection, kept.relation)
            await progress.remove(connection, kept.view)
    except errors.DependentObjectsStillExist as error:
        raise Refused(
            f"{kept.relation} is not needed any longer, but something else over there uses it;"
            f" drop that first: {error.diag.message_detail}"
        ) from error
