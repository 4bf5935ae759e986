"""Backfill: a new view is built from the retained log, beside the live stream, and joins it.

It reads with a reader of its own, removes repetitions with marks of its own, and writes pieces
through the one writer, each with its positions: a process that dies goes on where it was. A
record is for the backfill to take exactly if the live side had consumed it already; once there
is none left that it has not taken, the view joins the live ones in the same transaction. So
the view is what it would be had it existed all along.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pulsebot.materialize.keeper import Keeper
from pulsebot.materialize.live import rows_of
from pulsebot.settings import Clock
from pulsebot.sift import Sifter
from pulsebot.store import marks, viewcatalog
from pulsebot.store.database import Connection, Database
from pulsebot.stream.base import Partition, Reader, Record
from pulsebot.views.plan import TablePlan

BATCH = 4_000
POLL_S = 0.5
PATIENCE = 4
"""Empty reads in a row after which what live consumed and we did not find is taken as gone."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a backfill is: records read, and those that the live side had read before."""

    done: int
    total: int


class Backfill:
    """Builds one version of a view.

    `consumed` gives the live side's next offsets and is called within the transaction; `join`
    makes the view live, in the transaction that completes it.
    """

    def __init__(
        self,
        view: int,
        plan: TablePlan,
        clock: Clock,
        *,
        consumed: Callable[[Connection], Mapping[Partition, int]],
        join: Callable[[Connection, int], None],
        now_ms: Callable[[], int],
    ) -> None:
        self.view = view
        self.progress = Progress(0, 0)
        self._plan = plan
        self._clock = clock
        self._consumed = consumed
        self._join = join
        self._now_ms = now_ms
        self._keeper: Keeper
        self._sifter: Sifter
        self._positions: dict[Partition, int] = {}
        self._first: dict[Partition, int] = {}
        self._left: list[Record] = []
        self._empty = 0

    async def run(self, database: Database, reader: Reader, since_ms: int | None) -> None:
        """Build the view and let it join; may be cancelled, and begun again later."""
        async with reader:
            await database.write(self._load)
            start = dict(self._positions)
            if not start and since_ms is not None:
                start.update(await reader.offsets_at(since_ms))
            await reader.seek(start)
            joined = False
            while not joined:
                joined = await self._piece(database, reader)

    def _load(self, connection: Connection) -> None:
        entry = viewcatalog.get(connection, self.view)
        tables = marks.tables_of(self.view)
        marks.create(connection, tables)
        self._keeper = Keeper(connection, entry, self._plan)
        self._sifter = Sifter(self._clock, tables)
        self._sifter.load(connection)
        self._positions = viewcatalog.positions(connection, self.view)
        self._left.clear()

    async def _piece(self, database: Database, reader: Reader) -> bool:
        """Read and take in one batch; return whether the view has joined."""
        records = await reader.read(max_records=BATCH, timeout_s=0 if self._left else POLL_S)
        self._empty = 0 if records else self._empty + 1
        try:
            return await database.write(self._take, [*self._left, *records])
        except BaseException:
            await asyncio.shield(database.write(self._load))
            await reader.seek(self._positions)
            raise

    def _take(self, connection: Connection, records: Sequence[Record]) -> bool:
        consumed = self._consumed(connection)
        ours = [r for r in records if r.offset < consumed.get(_lane(r), 0)]
        self._left = [r for r in records if r.offset >= consumed.get(_lane(r), 0)]
        if ours:
            self._apply(connection, ours)
        self._note_progress(consumed)
        behind = any(self._positions.get(p, 0) < offset for p, offset in consumed.items())
        if behind and self._empty < PATIENCE:
            return False
        marks.drop(connection, marks.tables_of(self.view))
        self._join(connection, self.view)
        return True

    def _apply(self, connection: Connection, records: Sequence[Record]) -> None:
        batch = self._sifter.sift(connection, records, self._now_ms())
        if rows := rows_of(self._plan, batch.arrivals):
            self._keeper.take(connection, rows, viewcatalog.next_revision(connection))
        self._positions.update(batch.positions)
        viewcatalog.save_positions(connection, self.view, batch.positions)
        for record in records:
            self._first.setdefault(_lane(record), record.offset)
        self._note_since(connection, records)

    def _note_since(self, connection: Connection, records: Sequence[Record]) -> None:
        """Note the log time of the first records where the log does not go back to its start."""
        starts = [r.timestamp for r in records if self._first[_lane(r)] == r.offset > 0]
        if starts:
            viewcatalog.note_since(connection, self.view, max(starts))

    def _note_progress(self, consumed: Mapping[Partition, int]) -> None:
        first = {p: self._first.get(p, self._positions.get(p, 0)) for p in consumed}
        done = sum(self._positions.get(p, 0) - first[p] for p in consumed)
        total = sum(max(offset - first[p], 0) for p, offset in consumed.items())
        self.progress = Progress(done, max(total, done))


def _lane(record: Record) -> Partition:
    return Partition(record.topic, record.partition)
