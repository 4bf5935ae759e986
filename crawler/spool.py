"""The spool: events on disk, numbered, until the stream has them.

One SQLite file with one owner. It gives each event its `producer` (made with the file) and
its `sequence` (1, 2, 3, … without gaps, going on after a restart), so that the far end can
recognise a repetition. It is bounded: when it is full, new events are refused, counted, and
the loss is itself reported as a message event once there is room again.

This module must not know what takes the events out, or how processes share a folder of
spools (`crawler.spoolfolder`).
"""

import sqlite3
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from crawler.origin import Origin
from pulsebot.errors import StoreError
from pulsebot.event import MAX_EVENT_BYTES, Event, Kind, encode
from pulsebot.stream.forking import whole

TRIGGER_SHARE = 0.9
STATUS_SHARE = 0.95
"""From this share of the limits on the kind is refused: the rest is kept for news."""

CROWDED_SHARE = 0.8

_SHARES = {Kind.TRIGGER: TRIGGER_SHARE, Kind.STATUS: STATUS_SHARE}

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (
    id INTEGER PRIMARY KEY CHECK (id = 1), producer TEXT NOT NULL, last INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS event (
    sequence INTEGER PRIMARY KEY, kind TEXT NOT NULL, service TEXT NOT NULL, value BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS refused (
    service TEXT NOT NULL, kind TEXT NOT NULL, events INTEGER NOT NULL,
    PRIMARY KEY (service, kind)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS mark (
    name TEXT PRIMARY KEY, value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a spool may hold."""

    events: int = 1_000_000
    bytes: int = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Spooled:
    """One event as it waits: `value` is its wire form, producer and sequence included."""

    sequence: int
    kind: Kind
    service: str
    value: bytes


def _now() -> datetime:
    return datetime.now(UTC)


class Spool:
    """One open spool file; `path` None keeps it in memory.

    An event is durable when `append` returns (WAL with FULL: a power cut must not give a
    sequence out twice). Not for use by two threads at once. Raises StoreError when the file
    cannot be used.
    """

    def __init__(
        self,
        path: Path | None,
        limits: Limits | None = None,
        *,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self.path = path
        self._limits = limits or Limits()
        self._clock = clock
        self.producer: str
        self._last: int
        self._events: int
        self._bytes: int
        with self._translated("open"):
            self._db = _open(path)
            self.producer, self._last = _row(self._db, "SELECT producer, last FROM meta")
            self._events, self._bytes = _row(
                self._db, "SELECT count(*), coalesce(sum(length(value)), 0) FROM event"
            )
            self._refusing = _row(self._db, "SELECT count(*) FROM refused")[0] > 0

    @property
    def pending(self) -> int:
        """Number of events that wait."""
        return self._events

    @property
    def crowded(self) -> bool:
        """Whether sources that can wait should wait: triggers are close to being refused."""
        return self._share() > CROWDED_SHARE

    def append(self, events: Iterable[Event], marks: Mapping[str, str] | None = None) -> int:
        """Store events in order; return how many were taken, the others are counted as refused.

        `marks` (how far a source was read, by its name) are stored in the same step, so that
        a source is neither read twice nor skipped, whenever the process is killed.
        """
        taken = 0
        with self._changing("write"):
            for event in events:
                taken += self._keep(event)
            self._db.executemany("REPLACE INTO mark VALUES (?, ?)", list((marks or {}).items()))
            self._store_last()
        return taken

    def mark(self, name: str) -> str | None:
        """Return the last mark of a source, None where there is none."""
        with self._translated("read"):
            row = self._db.execute("SELECT value FROM mark WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def take(self, limit: int) -> Sequence[Spooled]:
        """Return the oldest events, at most `limit` and about 1 MB; they stay until `done`."""
        batch: list[Spooled] = []
        size = 0
        with self._translated("read"):
            rows = self._db.execute(
                "SELECT sequence, kind, service, value FROM event ORDER BY sequence LIMIT ?",
                (limit,),
            )
            for sequence, kind, service, value in rows:
                batch.append(Spooled(sequence, Kind(kind), service, value))
                size += len(value)
                if size >= MAX_EVENT_BYTES:
                    break
            rows.close()
        return batch

    def done(self, sequence: int) -> None:
        """Forget the events up to and including `sequence`; report refused ones if any."""
        with self._changing("write"):
            events, size = _row(
                self._db,
                "SELECT count(*), coalesce(sum(length(value)), 0) FROM event WHERE sequence <= ?",
                sequence,
            )
            self._db.execute("DELETE FROM event WHERE sequence <= ?", (sequence,))
            self._events -= events
            self._bytes -= size
            if self._refusing and self._share() < TRIGGER_SHARE:
                self._report_refused()
            self._store_last()

    def set_aside(self, item: Spooled, reason: str) -> str:
        """Forget the oldest event, which the stream will never take; return what was reported.

        The report goes the way of all events, but for that of a lost message: it would be a
        message too, and might be refused as well.
        """
        text = (
            f"a {item.kind.value} event of {item.service} was lost "
            f"(sequence {item.sequence} of producer {self.producer}): {reason}"
        )
        with self._changing("write"):
            self._db.execute("DELETE FROM event WHERE sequence = ?", (item.sequence,))
            self._events -= 1
            self._bytes -= len(item.value)
            if item.kind is not Kind.MESSAGE:
                self._keep(Origin(item.service).message(self._clock(), text, level="error"))
            self._store_last()
        return text

    def close(self) -> None:
        """Close the file; what waits in it stays there."""
        with whole():
            self._db.close()

    def refuse(self, service: str, kind: Kind, events: int) -> None:
        """Count events that were lost before they came here, to be reported like our own."""
        with self._changing("write"):
            self._count_refused(service, kind, events)
            if self._share() < TRIGGER_SHARE:
                self._report_refused()
            self._store_last()

    def _keep(self, event: Event) -> bool:
        numbered = replace(event, producer=self.producer, sequence=self._last + 1)
        value = encode(numbered)
        if len(value) > MAX_EVENT_BYTES or not self._has_room(event.kind, len(value)):
            self._count_refused(event.service, event.kind, 1)
            return False
        self._db.execute(
            "INSERT INTO event VALUES (?, ?, ?, ?)",
            (numbered.sequence, event.kind.value, event.service, value),
        )
        self._last += 1
        self._events += 1
        self._bytes += len(value)
        return True

    def _share(self) -> float:
        return max(self._events / self._limits.events, self._bytes / self._limits.bytes)

    def _has_room(self, kind: Kind, size: int) -> bool:
        share = _SHARES.get(kind, 1.0)
        return (
            self._events + 1 <= self._limits.events * share
            and self._bytes + size <= self._limits.bytes * share
        )

    def _count_refused(self, service: str, kind: Kind, events: int) -> None:
        self._refusing = True
        self._db.execute(
            "INSERT INTO refused VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET events = events + excluded.events",
            (service, kind.value, events),
        )

    def _report_refused(self) -> None:
        rows = self._db.execute("SELECT service, kind, events FROM refused").fetchall()
        self._db.execute("DELETE FROM refused")
        self._refusing = False
        for service, kind, events in rows:
            text = (
                f"{events} {kind} event(s) of {service} were lost: "
                f"the crawler's queue or spool was full (producer {self.producer})"
            )
            self._keep(Origin(service).message(self._clock(), text, level="error"))

    def _store_last(self) -> None:
        self._db.execute("UPDATE meta SET last = ?", (self._last,))

    @contextmanager
    def _changing(self, doing: str) -> Iterator[None]:
        """Make one transaction; on failure the figures in memory go back with the file."""
        before = (self._last, self._events, self._bytes, self._refusing)
        with self._translated(doing):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                self._last, self._events, self._bytes, self._refusing = before
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        try:
            with whole():  # SQLite's own locks do not outlive a fork
                yield
        except sqlite3.Error as error:
            raise StoreError(f"cannot {doing} the spool {self.path}: {error}") from error


def _row(db: sqlite3.Connection, query: str, *values: int) -> tuple[Any, ...]:
    row: tuple[Any, ...] = db.execute(query, values).fetchone()
    return row


def _open(path: Path | None) -> sqlite3.Connection:
    db = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.executescript(_SCHEMA)
        db.execute("INSERT OR IGNORE INTO meta VALUES (1, ?, 0)", (uuid.uuid4().hex,))
    except BaseException:
        db.close()
        raise
    return db
