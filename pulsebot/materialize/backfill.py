"""Backfill: a new view is built from the retained log, beside the live stream, and joins it.

It reads with a reader of its own, leaves repetitions out by marks of its own, and writes pieces
through the one writer, each with its positions: a process that dies goes on where it was. A
record is for the backfill to take exactly if the live side had consumed it already; once there
is none left that it has not taken, the view joins the live ones in the same transaction. So
the view is what it would be had it existed all along.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from pulsebot.materialize.keeper import Keeper
from pulsebot.materialize.sieve import Sieve
from pulsebot.settings import Clock
from pulsebot.store import viewcatalog
from pulsebot.store.database import Connection, Database
from pulsebot.store.viewcatalog import Reach
from pulsebot.stream.base import Partition, Reader, Record
from pulsebot.views.plan import TablePlan
from pulsebot.views.windowing import overlap

BATCH = 4_000
CHANGED = 40_000
"""Rows of a view that a piece changes at the most: live events wait for its transaction."""

POLL_S = 0.5
PATIENCE = 30
"""Empty reads in a row after which what live consumed and we cannot find is taken as gone."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a backfill is: records read, and those that the live side had read before."""

    done: int
    total: int


Join = Callable[[Connection, int], None]


class Backfill:
    """Builds one version of a view; `run` may be cancelled, and begun again later."""

    def __init__(
        self, view: int, plan: TablePlan, sieve: Sieve, clock: Clock, now_ms: Callable[[], int]
    ) -> None:
        self.view = view
        self.progress = Progress(0, 0)
        self._plan = plan
        self._batch = min(BATCH, CHANGED // (overlap(plan.window) if plan.window else 1))
        self._sieve = sieve
        self._ahead_ms = clock.future // timedelta(milliseconds=1)
        self._now_ms = now_ms
        self._keeper: Keeper
        self._reached: dict[Partition, Reach] = {}
        self._left: list[Record] = []
        self._begins: Mapping[Partition, int] = {}
        self._empty = 0

    async def run(self, database: Database, reader: Reader, join: Join) -> None:
        """Build the view; `join` makes it live, in the transaction that completes it."""
        async with reader:
            await database.write(self._load)
            self._begins = await reader.offsets_at(0)
            await reader.seek(await self._start(reader))
            ahead = asyncio.create_task(self._read(reader))
            try:
                joined = False
                while not joined:
                    records = await ahead
                    ahead = asyncio.create_task(self._read(reader))  # while these are taken in
                    wanted = [*self._left, *records]
                    joined = await database.write(self._take, wanted, join)
            finally:
                ahead.cancel()
                await asyncio.wait([ahead])

    def _load(self, connection: Connection) -> None:
        entry = viewcatalog.get(connection, self.view)
        self._keeper = Keeper(connection, entry, self._plan)
        self._sieve.load(connection)
        self._reached = viewcatalog.reach(connection, self.view)

    async def _start(self, reader: Reader) -> Mapping[Partition, int]:
        """Return where to read on; an event may be dated ahead of its log time."""
        from_ms = self._keeper.entry.from_ms
        start: dict[Partition, int] = {}
        if from_ms is not None:
            start.update(await reader.offsets_at(from_ms - self._ahead_ms))
        start.update({lane: after for lane, (_, after) in self._reached.items()})
        return start

    async def _read(self, reader: Reader) -> Sequence[Record]:
        records = await reader.read(max_records=self._batch, timeout_s=POLL_S)
        self._empty = 0 if records else self._empty + 1
        if not records:
            self._begins = await reader.offsets_at(0)
        return records

    def _take(self, connection: Connection, records: Sequence[Record], join: Join) -> bool:
        consumed = self._sieve.consumed(connection)
        ours = [r for r in records if r.offset < consumed.get(_lane(r), 0)]
        self._left = [r for r in records if r.offset >= consumed.get(_lane(r), 0)]
        if ours:
            self._apply(connection, ours)
        self._note_progress(consumed)
        if any(self._is_behind(lane, offset) for lane, offset in consumed.items()):
            return False
        self._sieve.finish(connection)
        join(connection, self.view)
        return True

    def _is_behind(self, lane: Partition, consumed: int) -> bool:
        """Tell whether the log still has records that are ours to take."""
        _, after = self._reached.get(lane, (0, 0))
        if after >= consumed:
            return False
        if self._empty and self._begins.get(lane, consumed) >= consumed:
            return False  # retention, or another list of topics, took them
        return self._empty < PATIENCE

    def _apply(self, connection: Connection, records: Sequence[Record]) -> None:
        sieved = self._sieve.sieve(connection, records, self._now_ms())
        from_ms = self._keeper.entry.from_ms or 0
        if rows := [row for row in sieved.rows if row.time_ms >= from_ms]:
            self._keeper.take(connection, rows, viewcatalog.next_revision(connection))
        self._note_since(connection, records)
        reached = {
            lane: (self._reached[lane][0], after) for lane, after in sieved.positions.items()
        }
        self._reached.update(reached)
        viewcatalog.save_reach(connection, self.view, reached)

    def _note_since(self, connection: Connection, records: Sequence[Record]) -> None:
        """Note where the log's first record that is left is not the first there ever was."""
        from_ms = self._keeper.entry.from_ms or 0
        for record in records:
            lane = _lane(record)
            if lane in self._reached:
                continue
            self._reached[lane] = record.offset, record.offset
            cut = 0 < record.offset <= self._begins.get(lane, 0)
            if cut and record.timestamp > from_ms:
                viewcatalog.note_since(connection, self.view, record.timestamp)

    def _note_progress(self, consumed: Mapping[Partition, int]) -> None:
        lanes = {lane: self._reached.get(lane, (0, 0)) for lane in consumed}
        done = sum(after - first for first, after in lanes.values())
        total = sum(max(consumed[lane] - first, 0) for lane, (first, _) in lanes.items())
        self.progress = Progress(done, max(total, done))


def _lane(record: Record) -> Partition:
    return Partition(record.topic, record.partition)
