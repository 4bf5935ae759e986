"""Intake: one batch of records becomes one transaction's worth of effects.

Whatever a batch causes (counts, crashes, statuses, messages, alert states, decisions, outbox
rows, dead letters, de-duplication marks and the next offsets) is written through the one
connection that the caller holds a transaction on, so all of it happens or none. This module
must not know where records come from, nor wait for anything.

Event time decides which bucket an event is counted in; the record's log time decides what is
absurd. Neither the wall clock nor the ends of batches decide anything.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pulsebot.decide import Decider
from pulsebot.event import AppMessage, Crash, Status
from pulsebot.fingerprint import fingerprint
from pulsebot.materialize.live import LiveViews
from pulsebot.materialize.tail import Tails
from pulsebot.settings import Clock
from pulsebot.sift import Arrival, Batch, Sifter, letter_of
from pulsebot.store import counts, crashes, deadletters, messages, positions, services, statuses
from pulsebot.store.database import Connection
from pulsebot.store.services import Heard
from pulsebot.store.statuses import Change
from pulsebot.store.tags import Learner
from pulsebot.stream.base import Gap, Partition, Record
from pulsebot.views.table import Row
from pulsebot.views.tally import Bucket, Tally


@dataclass(slots=True)
class Totals:
    """What this process has taken in since it started."""

    records: int = 0
    events: int = 0
    duplicates: int = 0
    dead_letters: int = 0
    clamped: int = 0
    batches: int = 0


class Intake:
    """Takes in batches for one database; call `load` first and after every failed batch.

    `positions` are the next offsets, `last_log_ms` the log times that were reached;
    `counted` is told the buckets that a batch adds to, before it is committed.
    """

    def __init__(
        self,
        decider: Decider,
        clock: Clock,
        counted: Callable[[Iterable[Bucket]], None] = lambda _: None,
    ) -> None:
        self.decider = decider
        self.views = LiveViews()
        self.tails = Tails()
        self.totals = Totals()
        self.positions: dict[Partition, int] = {}
        self.last_log_ms: dict[Partition, int] = {}
        self._sifter = Sifter(clock)
        self._heard: dict[str, int] = {}
        self._tags = Learner()
        self._counted = counted

    def load(self, connection: Connection) -> None:
        """Take over the state that the last committed transaction left."""
        self.positions = positions.load(connection)
        self._sifter.load(connection)
        self._heard.clear()
        self._tags.load(connection)
        self.decider.load(connection)
        self.views.load(connection)
        self.tails.forget()

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
        batch = self._sifter.sift(connection, records, now_ms)
        self._sifter.save(connection, now_ms)
        self._count(connection, batch)
        self.tails.note(batch)
        deadletters.add(connection, batch.letters)
        deadletters.mark_retried(connection, batch.retried, now_ms)
        self.decider.keep(connection, self.decider.evaluate(batch), now_ms)
        positions.add_gaps(connection, gaps, now_ms)
        positions.save(connection, batch.positions)
        self.positions.update(batch.positions)
        self.last_log_ms.update(batch.log_ms)
        self._account(batch)

    def _count(self, connection: Connection, batch: Batch) -> None:
        """Take new events into all views, the built-in ones first."""
        triggers = self.views.group(connection, batch)
        tally = write_views(connection, batch.alone.values(), triggers)
        counts.add(connection, tally.counts)
        self._counted(tally.counts)
        services.save(connection, news := self._news(batch, tally))
        if news:
            self._tags.learn(connection, batch.latest(), news)
        self.views.take(connection, batch, triggers)

    def advance(self, connection: Connection, now_ms: int) -> None:
        """Let time pass up to `now_ms`, for the rules and for the views."""
        self.decider.advance(connection, now_ms)
        self.views.advance(connection, now_ms)

    def refuse(self, connection: Connection, record: Record, reason: str, now_ms: int) -> None:
        """Dead-letter a record and go past it."""
        deadletters.add(connection, [letter_of(record, reason, now_ms)])
        position = {Partition(record.topic, record.partition): record.offset + 1}
        positions.save(connection, position)
        self.positions.update(position)
        self.totals.dead_letters += 1

    def _news(self, batch: Batch, tally: Tally) -> Mapping[str, Heard]:
        """Return which services are worth a write: heard of in a new minute, or absurd."""
        news: dict[str, Heard] = {}
        for name, start_ms in sorted(tally.heard()):
            if start_ms > self._heard.get(name, -1):
                self._heard[name] = start_ms
                news.setdefault(name, Heard(start_ms, start_ms)).last_ms = start_ms
        for name, clamped in batch.clamped.items():
            if last_ms := self._heard.get(name):  # else it was a repetition
                news.setdefault(name, Heard(last_ms, last_ms)).clamped = clamped
        return news

    def _account(self, batch: Batch) -> None:
        totals = self.totals
        totals.records += len(batch.records)
        totals.batches += 1
        totals.events += batch.events
        totals.duplicates += batch.duplicates
        totals.dead_letters += len(batch.letters)
        totals.clamped += sum(batch.clamped.values())


def write_views(
    connection: Connection, arrivals: Iterable[Arrival], triggers: Iterable[Row]
) -> Tally:
    """Add new events to the built-in views; return the counts, which the caller must add.

    `triggers` are all of them, grouped at least by service and minute; those among the
    arrivals are passed over.
    """
    tally = Tally()
    crashed: list[tuple[Crash, str, int]] = []
    heard: list[tuple[Status, int]] = []
    said: list[tuple[AppMessage, int]] = []
    for trigger, time_ms, times, _, _ in triggers:
        tally.add("trigger", trigger.service, time_ms, times)
    for event, time_ms, _, _ in arrivals:
        match event:
            case Crash():
                crashed.append((event, fingerprint(event), time_ms))
                tally.add("crash", event.service, time_ms)
            case Status():
                heard.append((event, time_ms))
                tally.hear(event.service, time_ms)
            case AppMessage():
                said.append((event, time_ms))
                tally.add("message", event.service, time_ms)
    crashes.add(connection, crashed)
    messages.add(connection, said)
    for change in statuses.apply(connection, heard):
        _count_change(tally, change)
    return tally


def _count_change(tally: Tally, change: Change) -> None:
    if change.previous is None:
        return
    tally.add("change", change.service, change.at_ms)
    if statuses.is_restart(change):
        tally.add("restart", change.service, change.at_ms)
