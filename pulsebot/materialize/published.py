"""What is published: the live views of our database, as somebody else's will keep them.

This module must not know where they are kept.
"""

import uuid
from collections.abc import Collection

from pulsebot.materialize.builder import plan_of
from pulsebot.publish.base import Batch, Change, Column, Layout, Spot
from pulsebot.store import epochs, viewcatalog, viewchanges, viewtables
from pulsebot.store.database import Connection, Database
from pulsebot.store.viewcatalog import Entry

BATCH = 2_000
"""Rows of a batch at most."""


class Published:
    """The views of a database, those of a list or all; call `begin` first."""

    def __init__(self, database: Database, names: Collection[str] | None) -> None:
        self._database = database
        self._all = names is None
        self.named = names or ()
        """The views that are to be published by name; none where all are."""
        self._layouts: dict[int, Layout] = {}
        self.epoch = uuid.uuid4().hex
        """The epoch that `begin` begins."""

    async def begin(self) -> None:
        """Begin an epoch of the database's past."""
        await self._database.write(epochs.begin, self.epoch)

    async def live(self) -> dict[str, Layout]:
        """Return the views that are to be published and complete, by name."""
        layouts: dict[int, Layout] = {}
        for entry in await self._database.read(self._entries):
            layout = self._layouts.get(entry.id) or await self._database.write(_opened, entry)
            if layout is not None:
                layouts[entry.id] = layout
        self._layouts = layouts
        return {layout.view: layout for layout in layouts.values()}

    def _entries(self, connection: Connection) -> list[Entry]:
        return [
            entry
            for entry in viewcatalog.entries(connection)
            if (entry.kind, entry.state) == ("TABLE", "live")
            and (self._all or entry.name in self.named)
        ]

    async def changes(self, layout: Layout, after: Spot) -> Batch | None:
        """Return the next changes after a spot; None where this version is there no longer."""
        return await self._database.read(_changes, layout, after)

    async def remembers(self, layout: Layout, revision: int) -> bool:
        """Tell whether all rows that went after a revision are still told."""
        return await self._database.read(viewchanges.remembers, layout.version, revision)

    async def revision(self) -> int:
        """Return the revision of the latest change to any view."""
        return await self._database.read(viewcatalog.revision)

    async def behind(self, layout: Layout, after: Spot) -> int:
        """Return how many rows changed after a spot; 0 where this version is gone."""
        return await self._database.read(_behind, layout, after)

    async def continues(self, epoch: str, revision: int) -> bool:
        """Tell whether what was known at a revision of an epoch is a part of the present past."""
        return await self._database.read(epochs.continues, epoch, revision)

    async def dropped(self, view: str) -> bool:
        """Tell whether a view of that name is neither there nor being built."""
        return view not in {e.name for e in await self._database.read(viewcatalog.entries)}


def _opened(connection: Connection, entry: Entry) -> Layout | None:
    """Make a version ready to be followed; None where it has gone meanwhile."""
    if not _is_there(connection, entry.id):
        return None
    viewtables.index_revisions(connection, entry.id)
    plan = plan_of(connection, entry)
    columns = tuple(Column(output.name, output.type) for output in plan.outputs)
    return Layout(entry.name, entry.id, columns, plan.window is not None)


def _is_there(connection: Connection, view: int) -> bool:
    return any(entry.id == view for entry in viewcatalog.entries(connection))


def _changes(connection: Connection, layout: Layout, after: Spot) -> Batch | None:
    if not _is_there(connection, layout.version):
        return None
    names = [column.name for column in layout.columns]
    spot = viewchanges.Spot(*after)
    found, more = viewchanges.latest(connection, layout.version, names, spot, BATCH)
    return Batch([Change(Spot(*spot), end_ms, values) for spot, end_ms, values in found], more)


def _behind(connection: Connection, layout: Layout, after: Spot) -> int:
    if not _is_there(connection, layout.version):
        return 0
    return viewchanges.count_after(connection, layout.version, viewchanges.Spot(*after))
