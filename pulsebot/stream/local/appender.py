"""Appending to the log and forgetting what is too old: the blocking half of the writer.

Retention removes whole prefixes in append order: a record goes when it and all before it are
older than the retention, a few thousand at a time, so that no append waits long for it. A
record whose log time was given as lying in the future holds up retention until then.

This module must not know asyncio.
"""

import logging
import os
import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from pulsebot.stream.base import Outgoing
from pulsebot.stream.local.database import (
    LOCKED_FOR_S,
    explained,
    is_same_file,
    open_to_write,
    writing,
)

TRIM_EVERY_S = 60.0
TRIM_AT_ONCE = 5_000
"""Records removed in one transaction."""

CHECKPOINT_BYTES = 8 * 2**20
"""Size of the WAL from which on it is copied into the database."""

READERS_FOR_MS = 100
"""How long a checkpoint waits for readers; where they stay, it is tried again later."""

_log = logging.getLogger(__name__)
_pack = msgspec.msgpack.Encoder().encode

Row = tuple[int, int, int, int, str, bytes | None, bytes]


class Appender:
    """One writing connection; all calls come from one thread.

    `retention_ms` is how long records are kept, by their log time.
    """

    def __init__(self, path: Path, retention_ms: int) -> None:
        self._path = path
        self._wal = f"{path}-wal"
        self._retention_ms = retention_ms
        self._trim_at = 0.0
        self._checkpoint_at = CHECKPOINT_BYTES
        self._inode = 0
        self._db: sqlite3.Connection | None = None

    def open(self) -> None:
        """Open the log, or make it; raises StreamError where it cannot be written."""
        with explained(self._path), writing(self._path):
            self._trim_when_due(self._writable())

    def close(self) -> None:
        """Let go of the file."""
        with explained(self._path), writing(self._path):
            self._close()

    def append(self, records: Sequence[Outgoing]) -> None:
        """Append all or none; they are on disk when it returns. Raises StreamError."""
        with explained(self._path), writing(self._path):
            db = self._writable()
            with _transaction(db):
                _insert(db, records, time.time_ns() // 1_000_000)
            self._trim_when_due(db)
            self._checkpoint_when_large(db)

    def add_topic(self, name: str) -> int | None:
        """Make a topic; return None, or the number of records where it was there already."""
        with explained(self._path), writing(self._path), _transaction(self._writable()) as db:
            found = db.execute(
                "SELECT next - earliest FROM topics WHERE name = ?", (name,)
            ).fetchone()
            if found is None:
                db.execute("INSERT INTO topics (name) VALUES (?)", (name,))
        return found and int(found[0])

    def _writable(self) -> sqlite3.Connection:
        # Somebody may have moved the log away to start afresh: then follow the name.
        if self._db is not None and not is_same_file(self._path, self._inode):
            self._close()
        if self._db is None:
            self._db = open_to_write(self._path)
            self._inode = self._path.stat().st_ino
        return self._db

    def _close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _trim_when_due(self, db: sqlite3.Connection) -> None:
        if time.monotonic() < self._trim_at:
            return
        self._trim_at = time.monotonic() + TRIM_EVERY_S
        # The records are safe by now, so what fails here must not look like a failed append.
        try:
            with _transaction(db):
                more = _trim(db, time.time_ns() // 1_000_000 - self._retention_ms)
        except sqlite3.Error as error:
            _log.warning("%s: old records could not be removed: %s", self._path, error)
            return
        if more:
            self._trim_at = 0.0

    def _checkpoint_when_large(self, db: sqlite3.Connection) -> None:
        with suppress(FileNotFoundError):
            size = os.stat(self._wal).st_size  # noqa: PTH116 - on the hot path
            if size >= self._checkpoint_at:
                done = self._checkpoint(db)
                self._checkpoint_at = CHECKPOINT_BYTES if done else size + CHECKPOINT_BYTES

    def _checkpoint(self, db: sqlite3.Connection) -> bool:
        db.execute(f"PRAGMA busy_timeout = {READERS_FOR_MS}")
        try:
            (busy, *_) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:
            _log.warning("%s: could not be checkpointed: %s", self._path, error)
            return False
        finally:
            db.execute(f"PRAGMA busy_timeout = {LOCKED_FOR_S * 1000:.0f}")
        return not busy


class _transaction:  # noqa: N801 - used like a function
    """All or nothing: `BEGIN IMMEDIATE`, then commit, or roll back on any exception."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> sqlite3.Connection:
        self._db.execute("BEGIN IMMEDIATE")
        return self._db

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            if kind is None:
                self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")


def _insert(db: sqlite3.Connection, records: Sequence[Outgoing], now_ms: int) -> None:
    names = [(name,) for name in dict.fromkeys(record.topic for record in records)]
    db.executemany("INSERT OR IGNORE INTO topics (name) VALUES (?)", names)
    lanes: dict[str, tuple[int, int]] = {}
    for (name,) in names:
        lanes[name] = db.execute("SELECT id, next FROM topics WHERE name = ?", (name,)).fetchone()
    (position,) = db.execute("SELECT sum(next) FROM topics").fetchone()
    rows: list[Row] = []
    for index, record in enumerate(records, start=position):
        topic, offset = lanes[record.topic]
        lanes[record.topic] = topic, offset + 1
        timestamp = now_ms if record.timestamp is None else record.timestamp
        headers = _pack(record.headers) if record.headers else None
        rows.append((index, topic, offset, timestamp, record.key, headers, record.value))
    db.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    db.executemany("UPDATE topics SET next = ?2 WHERE id = ?1", list(lanes.values()))


def _trim(db: sqlite3.Connection, before_ms: int) -> bool:
    """Remove the oldest records up to the first that is not older; tell if more may be due."""
    oldest = db.execute(
        "SELECT position, timestamp FROM records ORDER BY position LIMIT ?", (TRIM_AT_ONCE,)
    ).fetchall()
    kept = next((position for position, timestamp in oldest if timestamp >= before_ms), None)
    if not oldest or kept == oldest[0][0]:
        return False
    bound = oldest[-1][0] + 1 if kept is None else kept
    db.execute("DELETE FROM records WHERE position < ?", (bound,))
    db.execute(
        "UPDATE topics SET earliest = "
        "coalesce((SELECT min(offset) FROM records WHERE topic = topics.id), next)"
    )
    return kept is None and len(oldest) == TRIM_AT_ONCE
