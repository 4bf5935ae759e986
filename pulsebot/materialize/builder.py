"""The builder: every version that is being built has a backfill at work here.

It changes the catalog only in the transaction that makes a version live.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from pulsebot.civil import zone_of
from pulsebot.errors import StreamError
from pulsebot.materialize.backfill import Backfill, Progress
from pulsebot.materialize.definitions import definitions, query_of
from pulsebot.materialize.feed import reading
from pulsebot.materialize.keeper import shape_of
from pulsebot.materialize.sieve import EventSieve, Sieve, TopicSieve
from pulsebot.settings import Clock, Settings
from pulsebot.store import marks, viewcatalog, viewtables
from pulsebot.store.database import Connection, Database
from pulsebot.store.viewcatalog import Entry
from pulsebot.stream.base import Reader
from pulsebot.stream.open import open_reader
from pulsebot.views.plan import TablePlan
from pulsebot.views.planner import table_plan

log = structlog.get_logger(__name__)

RETRY_S = 5.0
"""Pause before a backfill that failed is begun again where it was."""


@dataclass(frozen=True, slots=True)
class Around:
    """What the desk works with."""

    database: Database
    settings: Settings
    now_ms: Callable[[], int]


class Builder:
    """Builds views beside the live stream."""

    def __init__(self, around: Around) -> None:
        self._around = around
        self._backfills: dict[int, Backfill] = {}
        self._names: dict[int, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def resume(self) -> None:
        """Go on with what was being built when the last process ended."""
        for entry in await self._around.database.read(viewcatalog.entries):
            if entry.state == "building" and entry.id not in self._names:
                self.build(entry)

    async def built(self) -> None:
        """Wait until nothing is being built."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Stop building; what is half-way goes on after the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def names(self) -> list[str]:
        """Return which views are being built."""
        return list(self._names.values())

    def progress(self) -> dict[str, Progress]:
        """Return how far the views are that are being built, by name."""
        return {self._names[view]: b.progress for view, b in self._backfills.items()}

    def progress_of(self, view: int) -> Progress | None:
        """Return how far one version is, None where it is not being built."""
        backfill = self._backfills.get(view)
        return backfill.progress if backfill else None

    def build(self, entry: Entry) -> None:
        """Begin to build a version that is in the catalog, unless that has begun."""
        if entry.id in self._names:
            return
        self._names[entry.id] = entry.name
        task = asyncio.create_task(self._building(entry), name=f"build {entry.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: self._names.pop(entry.id))

    async def _building(self, entry: Entry) -> None:
        """Build one version; what hinders it is logged, and it is tried again."""
        around = self._around
        plan = await around.database.read(plan_of, entry)
        try:
            while True:
                sieve = sieve_of(entry.id, plan, around.settings.clock)
                backfill = Backfill(entry.id, plan, sieve, around.settings.clock, around.now_ms)
                self._backfills[entry.id] = backfill
                try:
                    await backfill.run(around.database, self._reader(plan), join)
                except Exception as error:  # noqa: BLE001 - told, and tried again
                    if await around.database.read(_is_gone, entry.id):
                        return
                    _tell(entry, error)
                    await asyncio.sleep(RETRY_S)
                else:
                    log.info("view is live", view=entry.name)
                    return
        finally:
            self._backfills.pop(entry.id, None)

    def _reader(self, plan: TablePlan) -> Reader:
        settings = self._around.settings
        if plan.source.topic is not None:
            return reading(settings, (plan.source.topic,))
        return open_reader(settings.stream)


def _tell(entry: Entry, error: Exception) -> None:
    """Log why a view could not be built: in words where the cause is outside the program."""
    said = "a view could not be built; trying again"
    if isinstance(error, StreamError | sqlite3.OperationalError):
        log.warning(said, view=entry.name, error=str(error))
    else:
        log.error(said, view=entry.name, exc_info=error)


def sieve_of(view: int, plan: TablePlan, clock: Clock) -> Sieve:
    """Return what makes rows of the records that a view is built from."""
    if plan.source.topic is not None:
        return TopicSieve(plan.source)
    return EventSieve(view, plan, clock)


def join(connection: Connection, view: int) -> None:
    """Make a version live that has caught up, in the place of the one before it."""
    entry = viewcatalog.get(connection, view)
    shape = shape_of(entry, plan_of(connection, entry))
    earlier = viewcatalog.find(connection, entry.name)
    if earlier and entry.inherits and entry.from_ms is not None:
        viewtables.inherit(connection, shape, earlier.id, entry.from_ms)
        if entry.since_ms is None and earlier.since_ms is not None:
            viewcatalog.note_since(connection, view, earlier.since_ms)
    for version in viewcatalog.entries(connection):
        if version.name == entry.name and version.id != view:
            delete(connection, version)
    viewcatalog.make_live(connection, view)
    viewtables.show(connection, shape)


def plan_of(connection: Connection, entry: Entry) -> TablePlan:
    """Return what a version of a table means."""
    known = definitions(e for e in viewcatalog.entries(connection) if e.state == "live")
    return table_plan(query_of(entry.statement), known.sources, zone_of(entry.zone))


def delete(connection: Connection, entry: Entry) -> None:
    """Take a version out, with its rows and its name."""
    if entry.kind == "TABLE":
        viewtables.hide(connection, entry.name)
        viewtables.drop(connection, entry.id)
        marks.drop(connection, marks.tables_of(entry.id))
    viewcatalog.remove(connection, entry.id)


def _is_gone(connection: Connection, view: int) -> bool:
    return all(entry.id != view for entry in viewcatalog.entries(connection))
