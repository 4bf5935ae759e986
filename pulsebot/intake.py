"""Intake: one batch of records becomes one transaction's worth of effects.

Whatever a batch causes (counts, crashes, statuses, messages, alert states, decisions, outbox
rows, dead letters, de-duplication marks and the next offsets) is written through the one
connection that the caller holds a transaction on, so all of it happens or none. This module
must not know where records come from, nor wait for anything.

Event time decides which bucket an event is counted in; the record's log time decides what is
absurd. Neither the wall clock nor the ends of batches decide anything.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from pulsebot.decide import Decider
from pulsebot.errors import InvalidEvent
from pulsebot.event import AppMessage, Crash, Event, Status, Trigger, decode
from pulsebot.fingerprint import fingerprint
from pulsebot.settings import Clock
from pulsebot.store import (
    counts,
    crashes,
    deadletters,
    marks,
    messages,
    positions,
    services,
    statuses,
)
from pulsebot.store.database import Connection
from pulsebot.store.deadletters import DeadLetter
from pulsebot.store.services import Heard
from pulsebot.stream.base import Gap, Partition, Record
from pulsebot.views.tally import Tally

HEARD_EVERY_MS = 10_000
"""How stale a service's last-heard time may be in the store; spares a write per event."""


@dataclass(slots=True)
class Totals:
    """What this process has taken in since it started."""

    records: int = 0
    events: int = 0
    duplicates: int = 0
    dead_letters: int = 0
    clamped: int = 0
    batches: int = 0


@dataclass(frozen=True, slots=True)
class _Arrival:
    """A new event with its effective time and the log time of its record."""

    event: Event
    time_ms: int
    log_ms: int


@dataclass(slots=True)
class _Batch:
    arrivals: list[_Arrival] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    positions: dict[Partition, int] = field(default_factory=dict)
    clamped: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    retried: list[int] = field(default_factory=list)


class Intake:
    """Takes in batches for one database; call `load` first and after every failed batch."""

    def __init__(self, decider: Decider, clock: Clock) -> None:
        self.decider = decider
        self.totals = Totals()
        self.last_log_ms: dict[Partition, int] = {}
        self._past_ms = clock.past // timedelta(milliseconds=1)
        self._future_ms = clock.future // timedelta(milliseconds=1)
        self._marks = marks.Marks()
        self._heard: dict[str, int] = {}

    def load(self, connection: Connection) -> None:
        """Take over the state that the last committed transaction left."""
        self._marks.load(connection)
        self._heard.clear()
        self.decider.load(connection)

    def apply(
        self,
        connection: Connection,
        records: Sequence[Record],
        now_ms: int,
        gaps: Sequence[Gap] = (),
    ) -> None:
        """Take in one batch; `now_ms` is the wall clock, used for bookkeeping only.

        If it raises, the caller must roll back and call `load`.
        """
        batch = self._sift(connection, records, now_ms)
        self._count(connection, batch)
        self.decider.decide(
            connection, ((a.event, a.time_ms, a.log_ms) for a in batch.arrivals), now_ms
        )
        deadletters.add(connection, batch.letters)
        deadletters.mark_retried(connection, batch.retried, now_ms)
        self._marks.save(connection, now_ms)
        positions.add_gaps(connection, gaps, now_ms)
        positions.save(connection, batch.positions)
        self._account(batch, len(records))

    def refuse(self, connection: Connection, record: Record, reason: str, now_ms: int) -> None:
        """Dead-letter a record and go past it."""
        deadletters.add(connection, [_letter(record, reason, now_ms)])
        position = {Partition(record.topic, record.partition): record.offset + 1}
        positions.save(connection, position)
        self.totals.dead_letters += 1

    def _sift(self, connection: Connection, records: Sequence[Record], now_ms: int) -> _Batch:
        batch = _Batch()
        unmarked: list[tuple[bytes, _Arrival]] = []
        for record in records:
            batch.positions[Partition(record.topic, record.partition)] = record.offset + 1
            if record.headers and (letter := deadletters.retried(record.headers)) is not None:
                batch.retried.append(letter)
            try:
                event = decode(record.value, record.headers)
            except InvalidEvent as error:
                batch.letters.append(_letter(record, str(error), now_ms))
                continue
            arrival = self._arrive(
                event, record.timestamp if record.timestamp > 0 else now_ms, batch
            )
            if event.producer is None or event.sequence is None:
                unmarked.append((marks.identity(event.service, event.id), arrival))
            if (
                event.producer is None
                or event.sequence is None
                or self._marks.add(event.producer, event.sequence)
            ):
                batch.arrivals.append(arrival)
            else:
                batch.duplicates += 1
        if unmarked:
            _drop_known(connection, batch, unmarked, now_ms)
        for record in records:
            self.last_log_ms[Partition(record.topic, record.partition)] = record.timestamp
        return batch

    def _arrive(self, event: Event, log_ms: int, batch: _Batch) -> _Arrival:
        time_ms = event.time_ms
        if log_ms - self._past_ms <= time_ms <= log_ms + self._future_ms:
            return _Arrival(event, time_ms, log_ms)
        batch.clamped[event.service] = batch.clamped.get(event.service, 0) + 1
        return _Arrival(event, log_ms, log_ms)

    def _count(self, connection: Connection, batch: _Batch) -> None:
        tally = Tally()
        said: list[tuple[AppMessage, int]] = []
        for arrival in batch.arrivals:
            event, time_ms = arrival.event, arrival.time_ms
            if isinstance(event, Trigger):
                tally.add("trigger", event.service, time_ms, event.data.count)
            elif isinstance(event, Status):
                _count_status(connection, tally, event, time_ms)
            elif isinstance(event, Crash):
                tally.add("crash", event.service, time_ms)
                crashes.add(connection, event, fingerprint(event), time_ms)
            else:
                tally.add("message", event.service, time_ms)
                said.append((event, time_ms))
        counts.add(connection, tally.counts)
        messages.add(connection, said)
        services.save(connection, self._news(batch))

    def _news(self, batch: _Batch) -> dict[str, Heard]:
        news: dict[str, Heard] = {}
        for arrival in batch.arrivals:
            name, time_ms = arrival.event.service, arrival.time_ms
            if time_ms < self._heard.get(name, 0):
                continue
            self._heard[name] = time_ms + HEARD_EVERY_MS
            news[name] = Heard(time_ms, time_ms)
        for name, clamped in batch.clamped.items():
            last_ms = self._heard.get(name, 0) - HEARD_EVERY_MS
            news.setdefault(name, Heard(last_ms, last_ms)).clamped = clamped
        return news

    def _account(self, batch: _Batch, records: int) -> None:
        totals = self.totals
        totals.batches += 1
        totals.records += records
        totals.events += len(batch.arrivals)
        totals.duplicates += batch.duplicates
        totals.dead_letters += len(batch.letters)
        totals.clamped += sum(batch.clamped.values())


def _count_status(connection: Connection, tally: Tally, event: Status, time_ms: int) -> None:
    change = statuses.apply(connection, event, time_ms)
    if change is None or change.previous is None:
        return
    tally.add("change", event.service, time_ms)
    if statuses.is_restart(change):
        tally.add("restart", event.service, time_ms)


def _drop_known(
    connection: Connection,
    batch: _Batch,
    unmarked: Iterable[tuple[bytes, _Arrival]],
    now_ms: int,
) -> None:
    """Leave out events without a sequence whose (source, id) is marked; mark the others."""
    pairs = list(unmarked)
    seen = marks.known(connection, [identity for identity, _ in pairs])
    repeated: set[int] = set()
    for identity, arrival in pairs:
        if identity in seen:
            repeated.add(id(arrival))
        seen.add(identity)
    marks.add(connection, (identity for identity, _ in pairs), now_ms)
    batch.arrivals = [a for a in batch.arrivals if id(a) not in repeated]
    batch.duplicates += len(repeated)


def _letter(record: Record, reason: str, now_ms: int) -> DeadLetter:
    return DeadLetter(
        id=0,
        at_ms=record.timestamp if record.timestamp > 0 else now_ms,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        reason=reason,
        value=record.value,
        headers=tuple((name, value) for name, value in record.headers),
    )
