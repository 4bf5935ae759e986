"""Push queries: whoever follows a view is told of its rows as they change.

Nothing is queued: a follower looks at what changed since it looked last, so a slow one sees
the newest state of each row and holds nobody up. A row that went, or that the condition does
not let pass any longer, is told as gone to whoever may have been told of it before.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from pulsebot.civil import local_time
from pulsebot.errors import InvalidInput
from pulsebot.materialize.answer import Changes
from pulsebot.materialize.builder import plan_of
from pulsebot.materialize.look import looked
from pulsebot.materialize.news import News
from pulsebot.materialize.pull import confined, readable
from pulsebot.materialize.relation import BOUNDS
from pulsebot.materialize.selection import Following
from pulsebot.store import viewcatalog, viewchanges, viewtables
from pulsebot.store.database import Connection, Database
from pulsebot.store.viewchanges import Changed, Spot
from pulsebot.views.plan import TablePlan

Row = tuple[Any, ...]

PAGE = 500
"""Rows of one look."""

PAUSE_S = 0.2
"""Time between two looks at least; what changed twice meanwhile is told once."""

REMEMBERED = 100_000
"""Rows that a follower is known to have been told of; with more, it is told of all that go."""

SET, GONE = "set", "gone"


@dataclass(frozen=True, slots=True)
class Since:
    """Where a follower goes on: a revision of one version of a view. As text: `12.3456`."""

    view: int
    revision: int

    def __str__(self) -> str:
        return f"{self.view}.{self.revision}"

    @staticmethod
    def parse(text: str) -> "Since":
        """Read what `str` gave; raises InvalidInput."""
        view, _, revision = text.partition(".")
        if not (view.isdecimal() and revision.isdecimal() and len(text) < _LONGEST):
            raise InvalidInput(f"{text[:50]!r} is no place in a view's changes")
        return Since(int(view), int(revision))


_LONGEST = 40


class Follower:
    """One follower of one view; `run` tells it what changed."""

    def __init__(self, database: Database, news: News, asked: Following) -> None:
        self._database = database
        self._news = news
        self._asked = asked
        self._view = asked.relation.entry.id
        self._columns = (*asked.columns, "CHANGE")
        self._told: set[tuple[Any, ...]] = set()
        self._tell_all = False
        self._plan: TablePlan

    async def run(self, since: Since | None, *, present: bool) -> AsyncGenerator[Changes, None]:
        """Tell what changes from now on, or `since` an earlier look; `present`: all rows first.

        Where the view was replaced since then, or more rows went than are remembered, all rows
        are told, after a `reset`. Raises InvalidInput when the view is dropped or replaced
        meanwhile, or the condition takes too long.
        """
        await self._database.write(viewtables.index_revisions, self._view)
        self._plan = await self._database.read(plan_of, self._asked.relation.entry)
        now = seen = await self._database.read(viewcatalog.revision)
        replaced = since is not None and (
            since.view != self._view or not await self._remembers(since.revision)
        )
        if since is not None and not replaced:
            seen, self._tell_all = min(since.revision, now), True
        elif replaced or present:
            seen = -1
        path, relation = self._database.path, self._asked.relation
        with closing(confined(path, relation, inside=True)) as connection:
            yield Changes(self._columns, (), str(Since(self._view, max(seen, 0))), reset=replaced)
            while True:
                bell = self._news.next()
                until = await self._database.read(self._until)
                async for rows in self._pages(connection, Spot(seen + 1), until):
                    yield Changes(self._columns, rows, str(Since(self._view, max(seen, 0))))
                if seen >= 0 and not await self._remembers(seen):
                    seen, self._tell_all = -1, False
                    self._told.clear()
                    yield Changes(self._columns, (), str(Since(self._view, 0)), reset=True)
                    continue
                if until > seen:
                    seen = until
                    yield Changes(self._columns, (), str(Since(self._view, seen)))
                await bell.wait()
                await asyncio.sleep(PAUSE_S)

    async def _remembers(self, revision: int) -> bool:
        """Tell whether all rows that went after a revision could be told, in looks until now."""
        return await self._database.read(viewchanges.remembers, self._view, revision)

    def _until(self, connection: Connection) -> int:
        """Return the latest revision; everything up to it can be looked at."""
        if all(entry.id != self._view for entry in viewcatalog.entries(connection)):
            name = self._asked.relation.name
            there = viewcatalog.find(connection, name) is not None
            raise InvalidInput(f"{name} was {'replaced; ask again' if there else 'dropped'}")
        return viewcatalog.revision(connection)

    async def _pages(
        self, connection: Connection, after: Spot, until: int
    ) -> AsyncGenerator[list[Row], None]:
        """Yield what changed after a spot up to a revision: what went first, then what is there."""
        spots, first = [after], True
        while first or len(spots) == PAGE:
            first = False
            spots = await self._database.read(
                viewchanges.removed, self._view, spots[-1], until, PAGE
            )
            if rows := await looked(connection, self._gone, spots):
                yield rows
        changed: list[Changed] = []
        first = True
        while first or len(changed) == PAGE:
            last = after if first else changed[-1].spot
            first = False
            changed = await looked(
                connection, viewchanges.rows, self._asked.wanted, last, until, PAGE
            )
            if rows := self._news_of(changed):
                yield rows

    def _gone(self, connection: Connection, spots: Sequence[Spot]) -> list[Row]:
        """Return what is told of rows that were removed."""
        rows: list[Row] = []
        for spot in spots:
            if self._was_told(spot):
                found = viewchanges.gone(connection, self._asked.wanted, self._known(spot))
                rows += [(*map(readable, found), GONE)] if found is not None else []
        return rows

    def _news_of(self, changed: Sequence[Changed]) -> list[Row]:
        """Return what is told of rows that changed."""
        rows: list[Row] = []
        for spot, shown, values in changed:
            told = self._was_told(spot)
            if shown:
                self._remember(spot)
            if shown or told:
                rows.append((*map(readable, values), SET if shown else GONE))
        return rows

    def _was_told(self, spot: Spot) -> bool:
        told = spot[1:] in self._told
        self._told.discard(spot[1:])
        return told or self._tell_all

    def _remember(self, spot: Spot) -> None:
        if len(self._told) < REMEMBERED:
            self._told.add(spot[1:])
        else:
            self._tell_all = True

    def _known(self, spot: Spot) -> list[Any]:
        """Return the values of a removed row's columns: those that its key gives."""
        plan = self._plan
        result = (*viewtables.decoded(spot.key), *[None] * len(plan.aggregates), spot.start_ms, 0)
        values: dict[str, Any] = {
            output.name: viewtables.plain(output.value(result, spot.start_ms))
            for output in plan.outputs
            if output.key
        }
        if plan.window:
            local = local_time(spot.start_ms, plan.zone)
            precise = "milliseconds" if spot.start_ms % 1000 else "seconds"
            values["WINDOWSTART"] = local.isoformat(timespec=precise)
            values[BOUNDS["WINDOWSTART"]] = spot.start_ms
        return [values.get(name) for name, _ in self._asked.wanted.visible]
