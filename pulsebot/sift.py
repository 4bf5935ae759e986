"""Sifting: records become the new events among them, each with the time it counts for.

What is no event becomes a dead letter; what was taken in before is left out; an absurd time is
replaced by the log's. Triggers that are counted alike stay together, see `gather`. This module
must not know what is done with the events.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import pairwise

from pulsebot.errors import InvalidEvent
from pulsebot.event import Event, decode
from pulsebot.gather import Gathering, Group, Limits, gathered
from pulsebot.settings import Clock
from pulsebot.store import deadletters, marks
from pulsebot.store.database import Connection
from pulsebot.store.deadletters import DeadLetter
from pulsebot.stream.base import Partition, Prepared, Preparer, Record

Arrival = tuple[Event, int, int, Record]
"""A new event, the event time that it counts for, its log time (both ms), and its record."""

Numbered = tuple[str | None, int | None]
"""A producer and one of its sequences."""


@dataclass(slots=True)
class Batch:
    """What a batch of records holds: its new events, those that come alone and those in groups.

    `alone` is by the place of the record in the batch, in order; `clamped` counts by service.
    """

    records: Sequence[Record] = ()
    alone: dict[int, Arrival] = field(default_factory=dict)
    groups: Sequence[Group] = ()
    letters: list[DeadLetter] = field(default_factory=list)
    retried: list[int] = field(default_factory=list)
    positions: dict[Partition, int] = field(default_factory=dict)
    log_ms: dict[Partition, int] = field(default_factory=dict)
    clamped: Mapping[str, int] = field(default_factory=dict)
    duplicates: int = 0

    @property
    def events(self) -> int:
        """How many new events there are."""
        return len(self.alone) + sum(len(group.places) for group in self.groups)

    def each(self, groups: Iterable[Group] | None = None) -> list[Arrival]:
        """Return the new events one by one, in their order; of groups all, or those given."""
        found = dict(self.alone)
        for group in self.groups if groups is None else groups:
            found.update((place, self._member(place)) for place in group.places)
        return [found[place] for place in sorted(found)]

    def _member(self, place: int) -> Arrival:
        record = self.records[place]
        event = decode(record.value)
        return event, event.time_ms, record.timestamp, record

    def leave_out_before(self, start_ms: int) -> None:
        """Leave out what counts for an earlier time, which must be the start of a minute."""
        self.alone = {p: a for p, a in self.alone.items() if a[1] >= start_ms}
        self.groups = [group for group in self.groups if group.minute_ms >= start_ms]

    def latest(self) -> Iterator[Event]:
        """Return all but what a later event of the same group repeats, in their order."""
        last = {place: event for place, (event, *_) in self.alone.items()}
        last.update((group.places[-1], group.sample) for group in self.groups)
        return (last[place] for place in sorted(last))


class Sifter:
    """Sifts for one database; call `load` first and after every transaction that failed."""

    def __init__(self, clock: Clock, tables: marks.Tables = marks.LIVE) -> None:
        self._limits = _limits(clock)
        self._tables = tables
        self._marks = marks.Marks(tables)

    def load(self, connection: Connection) -> None:
        """Take over the marks that the last committed transaction left."""
        self._marks.load(connection)

    def sift(self, connection: Connection, records: Sequence[Record], now_ms: int) -> Batch:
        """Sift a batch and mark its events, in the caller's transaction; `save` must follow."""
        parts = gathered(records, self._limits)
        batch = Batch(records, groups=parts.groups)
        absurd = self._decode(parts.rest, batch, now_ms)
        if repeated := self._mark(connection, batch, now_ms):
            batch.duplicates = len(repeated)
            _leave_out(repeated, batch)
        batch.clamped = Counter(
            batch.alone[place][0].service for place in absurd if place not in repeated
        )
        _reach(batch, records)
        return batch

    def save(self, connection: Connection, now_ms: int) -> None:
        """Write the marks of all that was sifted since the last time."""
        self._marks.save(connection, now_ms)

    def _decode(self, places: Iterable[int], batch: Batch, now_ms: int) -> list[int]:
        """Make records arrivals or dead letters; return the places of the absurdly timed."""
        past_ms, future_ms = self._limits
        absurd: list[int] = []
        for place in places:
            record = batch.records[place]
            headers = record.headers
            if headers and (letter := deadletters.retried(headers)) is not None:
                batch.retried.append(letter)
            try:
                event = decode(record.value, headers)
            except InvalidEvent as error:
                batch.letters.append(letter_of(record, str(error), now_ms))
                continue
            log_ms, time_ms = record.timestamp, event.time_ms
            if log_ms <= 0:  # written by a client so old that it sets no timestamp
                log_ms = now_ms
            elif not log_ms - past_ms <= time_ms <= log_ms + future_ms:
                time_ms = log_ms
                absurd.append(place)
            batch.alone[place] = event, time_ms, log_ms, record
        return absurd

    def _mark(self, connection: Connection, batch: Batch, now_ms: int) -> set[int]:
        """Mark events; return the places of those that were marked before."""
        numbered: defaultdict[str, list[int]] = defaultdict(list)
        named: dict[int, bytes] = {}
        for place, (event, *_) in batch.alone.items():
            if event.producer is None or event.sequence is None:
                named[place] = marks.identity(event.service, event.id)
            else:
                numbered[event.producer].append(event.sequence)
        for group in batch.groups:
            numbered[group.sample.producer or ""] += group.sequences
        marked = self._marks.add(numbered)
        known = Counter[Numbered](
            (p, numbered[p][nth]) for p, nths in marked.items() for nth in nths
        )
        repeated = _places(batch, known) if known else set()
        if named:
            repeated |= self._known(connection, named)
            marks.add(connection, named.values(), now_ms, self._tables)
        return repeated

    def _known(self, connection: Connection, named: Mapping[int, bytes]) -> set[int]:
        """Return the places of what is marked, or comes a second time."""
        seen = marks.known(connection, list(named.values()), self._tables)
        repeated: set[int] = set()
        for place, identity in named.items():
            if identity in seen:
                repeated.add(place)
            seen.add(identity)
        return repeated


def preparing(clock: Clock) -> Callable[[], Preparer]:
    """Return the part of sifting that can be done in the process that reads; it is picklable."""
    return partial(Gathering, _limits(clock))


def _limits(clock: Clock) -> Limits:
    millisecond = timedelta(milliseconds=1)
    return Limits(clock.past // millisecond, clock.future // millisecond)


def _places(batch: Batch, known: Mapping[Numbered, int]) -> set[int]:
    """Return the places of repetitions; `known` tells how many there are of producer and number.

    Of those that are in one batch, the first may be new.
    """
    places: defaultdict[Numbered, list[int]] = defaultdict(list)
    for place, (event, *_) in batch.alone.items():
        places[event.producer, event.sequence].append(place)
    for group in batch.groups:
        for place, sequence in zip(group.places, group.sequences, strict=True):
            places[group.sample.producer, sequence].append(place)
    return {place for key, count in known.items() for place in sorted(places[key])[-count:]}


def _leave_out(repeated: set[int], batch: Batch) -> None:
    batch.alone = {p: arrival for p, arrival in batch.alone.items() if p not in repeated}
    new = [group.without(repeated) for group in batch.groups]
    batch.groups = [group for group in new if group.places]


def _reach(batch: Batch, records: Sequence[Record]) -> None:
    """Note how far the batch reads each partition: its records are in order there."""
    for record in records.last() if isinstance(records, Prepared) else _last_of_runs(records):
        partition = Partition(record.topic, record.partition)
        batch.positions[partition] = record.offset + 1
        batch.log_ms[partition] = record.timestamp


def _last_of_runs(records: Sequence[Record]) -> list[Record]:
    ended = [a for a, b in pairwise(records) if a.partition != b.partition or a.topic != b.topic]
    return [*ended, *records[-1:]]


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
