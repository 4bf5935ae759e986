"""Sifting: records become the new events among them, each with the time it counts for.

What is no event becomes a dead letter; what was taken in before is left out; an absurd time is
replaced by the log's. This module must not know what is done with the events.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise

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
    clamped: Mapping[str, int] = field(default_factory=dict)
    duplicates: int = 0


@dataclass(slots=True)
class _Identities:
    """What a batch's events are recognised by: sequences by producer, hashes by index."""

    numbered: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    named: dict[int, bytes] = field(default_factory=dict)


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
        """Sift a batch and mark its events, in the caller's transaction; `save` must follow."""
        batch, identities = Batch(), _Identities()
        absurd = self._decode(records, now_ms, batch, identities)
        if repeated := self._mark(connection, batch.arrivals, identities, now_ms):
            batch.duplicates = len(repeated)
            absurd = [i for i in absurd if i not in repeated]
        batch.clamped = Counter(batch.arrivals[i][0].service for i in absurd)
        if repeated:
            batch.arrivals = [a for i, a in enumerate(batch.arrivals) if i not in repeated]
        _reach(batch, records)
        return batch

    def save(self, connection: Connection, now_ms: int) -> None:
        """Write the marks of all that was sifted since the last time."""
        self._marks.save(connection, now_ms)

    def _decode(
        self, records: Iterable[Record], now_ms: int, batch: Batch, identities: _Identities
    ) -> list[int]:
        """Make records arrivals or dead letters; return the indexes of the absurdly timed.

        All that is done for each event is done here: one loop, while the event is at hand.
        """
        past_ms, future_ms = self._past_ms, self._future_ms
        arrivals, numbered = batch.arrivals, identities.numbered
        absurd: list[int] = []
        for record in records:
            headers = record.headers
            if headers and (letter := deadletters.retried(headers)) is not None:
                batch.retried.append(letter)
            try:
                event = decode(record.value, headers)
            except InvalidEvent as error:
                batch.letters.append(letter_of(record, str(error), now_ms))
                continue
            producer, sequence = event.producer, event.sequence
            if producer is None or sequence is None:
                identities.named[len(arrivals)] = marks.identity(event.service, event.id)
            else:
                numbered[producer].append(sequence)
            log_ms, time_ms = record.timestamp, event.time_ms
            if log_ms <= 0:  # written by a client so old that it sets no timestamp
                log_ms = now_ms
            elif not log_ms - past_ms <= time_ms <= log_ms + future_ms:
                time_ms = log_ms
                absurd.append(len(arrivals))
            arrivals.append((event, time_ms, log_ms, record))
        return absurd

    def _mark(
        self,
        connection: Connection,
        arrivals: Sequence[Arrival],
        identities: _Identities,
        now_ms: int,
    ) -> set[int]:
        """Mark events; return the indexes of those that were marked before."""
        known = self._marks.add(identities.numbered)
        repeated = _indexes(arrivals, known) if known else set()
        if named := identities.named:
            repeated |= self._known(connection, named)
            marks.add(connection, named.values(), now_ms, self._tables)
        return repeated

    def _known(self, connection: Connection, named: Mapping[int, bytes]) -> set[int]:
        """Return the indexes of what is marked, or comes a second time."""
        seen = marks.known(connection, list(named.values()), self._tables)
        repeated: set[int] = set()
        for index, identity in named.items():
            if identity in seen:
                repeated.add(index)
            seen.add(identity)
        return repeated


def _indexes(arrivals: Iterable[Arrival], known: Mapping[str, Iterable[int]]) -> set[int]:
    """Return the indexes among all arrivals; `known` counts in those of each producer."""
    places: defaultdict[str | None, list[int]] = defaultdict(list)
    for index, (event, *_) in enumerate(arrivals):
        if event.sequence is not None:
            places[event.producer].append(index)
    return {places[producer][nth] for producer, nths in known.items() for nth in nths}


def _reach(batch: Batch, records: Sequence[Record]) -> None:
    """Note how far the batch reads each partition: its records are in order there."""
    last_of_runs = [
        a for a, b in pairwise(records) if a.partition != b.partition or a.topic != b.topic
    ]
    for record in [*last_of_runs, *records[-1:]]:
        partition = Partition(record.topic, record.partition)
        batch.positions[partition] = record.offset + 1
        batch.log_ms[partition] = record.timestamp


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
