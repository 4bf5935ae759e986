"""Sieves: what a backfill makes of records, for views of events and for those of other topics.

A sieve also knows which part of the log is the live side's already.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from pulsebot.errors import InvalidEvent
from pulsebot.materialize.live import rows_of
from pulsebot.settings import Clock
from pulsebot.sift import Sifter
from pulsebot.store import feeds, marks, positions
from pulsebot.store.database import Connection
from pulsebot.stream.base import Partition, Record
from pulsebot.views.plan import TablePlan
from pulsebot.views.source import Source
from pulsebot.views.table import Row


class Sieved(NamedTuple):
    """Rows of a batch, and the next offsets after it."""

    rows: list[Row]
    positions: Mapping[Partition, int]


class Sieve(Protocol):
    """Makes rows of records, in the caller's transaction."""

    def load(self, connection: Connection) -> None:
        """Take over what the last committed transaction left."""

    def sieve(self, connection: Connection, records: Sequence[Record], now_ms: int) -> Sieved:
        """Return the new rows among records."""

    def consumed(self, connection: Connection) -> Mapping[Partition, int]:
        """Return the next offsets of the live side."""

    def finish(self, connection: Connection) -> None:
        """Clear away what is not needed any more."""


class EventSieve:
    """Sifts events as intake does, with marks of its own."""

    def __init__(self, view: int, plan: TablePlan, clock: Clock) -> None:
        self._plan = plan
        self._tables = marks.tables_of(view)
        self._sifter = Sifter(clock, self._tables)

    def load(self, connection: Connection) -> None:
        """Take over the marks."""
        marks.create(connection, self._tables)
        self._sifter.load(connection)

    def sieve(self, connection: Connection, records: Sequence[Record], now_ms: int) -> Sieved:
        """Leave out repetitions, and what is no event."""
        batch = self._sifter.sift(connection, records, now_ms)
        self._sifter.save(connection, now_ms)
        return Sieved(rows_of(self._plan, batch), batch.positions)

    def consumed(self, connection: Connection) -> Mapping[Partition, int]:
        """Return how far the bot has read."""
        return positions.load(connection)

    def finish(self, connection: Connection) -> None:
        """Delete the marks."""
        marks.drop(connection, self._tables)


class TopicSieve:
    """Decodes the records of a topic; what is none is the feed's to tell about."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def load(self, connection: Connection) -> None:
        """Take over nothing."""

    def sieve(self, connection: Connection, records: Sequence[Record], now_ms: int) -> Sieved:
        """Return the rows that can be read."""
        del connection, now_ms
        rows = []
        for record in records:
            try:
                rows.append(row_of(self._source, record))
            except InvalidEvent:
                continue
        return Sieved(rows, reached(records))

    def consumed(self, connection: Connection) -> Mapping[Partition, int]:
        """Return how far the feed has read."""
        return feeds.load(connection, [self._source.topic or ""])

    def finish(self, connection: Connection) -> None:
        """Clear away nothing."""


def row_of(source: Source, record: Record) -> Row:
    """Return the row of a topic's record; raises InvalidEvent where it holds none."""
    if source.decode is None:
        raise InvalidEvent(f"{source.name} is no stream of a topic")
    row = source.decode(record.value)
    stamp = source.time(row) if source.time else None
    time_ms = record.timestamp if stamp is None else stamp
    order = (record.timestamp, record.partition, record.offset)
    return Row(row, time_ms, 1, record.timestamp, order)


def reached(records: Sequence[Record]) -> dict[Partition, int]:
    """Return the next offsets after records, which are in order within each partition."""
    return {Partition(r.topic, r.partition): r.offset + 1 for r in records}
