"""Sifting: records become the new events among them, each with the time it counts for.

What is no event becomes a dead letter; what was taken in before is left out; an absurd time is
replaced by the log's. This module must not know what is done with the events.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from pulsebot.errors import InvalidEvent
from pulsebot.event import Event, decode
from pulsebot.settings import Clock
from pulsebot.store import deadletters, marks
from pulsebot.store.database import Connection
from pulsebot.store.deadletters import DeadLetter
from pulsebot.stream.base import Partition, Record

Arrival = tuple[Event, int, int, Record]
"""A new event, the event time that it counts for, its log time (both ms), and its record."""


@dataclass(slots=True)
class Batch:
    """What a batch of records holds, in their order; `clamped` counts by service."""

    arrivals: list[Arrival] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    retried: list[int] = field(default_factory=list)
    positions: dict[Partition, int] = field(default_factory=dict)
    log_ms: dict[Partition, int] = field(default_factory=dict)
    clamped: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0


class Sifter:
    """Sifts for one database; call `load` first and after every transaction that failed."""

    def __init__(self, clock: Clock, tables: marks.Tables = marks.LIVE) -> None:
        self._past_ms = clock.past // timedelta(milliseconds=1)
        self._future_ms = clock.future // timedelta(milliseconds=1)
        self._tables = tables
        self._marks = marks.Marks(tables)

    def load(self, connection: Connection) -> None:
        """Take over the marks that the last committed transaction left."""
        self._marks.load(connection)

    def sift(self, connection: Connection, records: Sequence[Record], now_ms: int) -> Batch:
        """Sift a batch and mark its events, in the caller's transaction."""
        batch = Batch()
        unmarked: list[tuple[int, bytes]] = []
        arrivals, mark = batch.arrivals, self._marks.add
        for record in records:
            headers = record.headers
            if headers and (letter := deadletters.retried(headers)) is not None:
                batch.retried.append(letter)
            try:
                event = decode(record.value, headers)
            except InvalidEvent as error:
                batch.letters.append(letter_of(record, str(error), now_ms))
                continue
            if event.producer is None or event.sequence is None:
                unmarked.append((len(arrivals), marks.identity(event.service, event.id)))
            elif not mark(event.producer, event.sequence):
                batch.duplicates += 1
                continue
            log_ms, time_ms = record.timestamp, event.time_ms
            if not log_ms - self._past_ms <= time_ms <= log_ms + self._future_ms:
                log_ms, time_ms = _clamp(event, record, now_ms, batch)
            arrivals.append((event, time_ms, log_ms, record))
        if unmarked:
            self._drop_known(connection, batch, unmarked, now_ms)
        self._marks.save(connection, now_ms)
        _reach(batch, records)
        return batch

    def _drop_known(
        self,
        connection: Connection,
        batch: Batch,
        unmarked: Sequence[tuple[int, bytes]],
        now_ms: int,
    ) -> None:
        """Leave out events without a sequence whose (source, id) is marked; mark the others."""
        seen = marks.known(connection, [identity for _, identity in unmarked], self._tables)
        repeated: set[int] = set()
        for index, identity in unmarked:
            if identity in seen:
                repeated.add(index)
            seen.add(identity)
        marks.add(connection, (identity for _, identity in unmarked), now_ms, self._tables)
        batch.arrivals[:] = [a for i, a in enumerate(batch.arrivals) if i not in repeated]
        batch.duplicates += len(repeated)


def _reach(batch: Batch, records: Sequence[Record]) -> None:
    """Note how far the batch reads each partition: its records are in order there."""
    newest = {(record.topic, record.partition): record for record in records}
    for (topic, number), record in newest.items():
        partition = Partition(topic, number)
        batch.positions[partition] = record.offset + 1
        batch.log_ms[partition] = record.timestamp


def _clamp(event: Event, record: Record, now_ms: int, batch: Batch) -> tuple[int, int]:
    """Return log time and effective time of an event whose own time is absurd."""
    if record.timestamp <= 0:  # written by a client so old that it sets no timestamp
        return now_ms, event.time_ms
    batch.clamped[event.service] = batch.clamped.get(event.service, 0) + 1
    return record.timestamp, record.timestamp


def letter_of(record: Record, reason: str, now_ms: int) -> DeadLetter:
    """Return the dead letter that a record becomes."""
    return DeadLetter(
        id=0,
        at_ms=record.timestamp if record.timestamp > 0 else now_ms,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        reason=reason,
        value=record.value,
        headers=tuple((name, value or b"") for name, value in record.headers),
    )
