"""Walking the log: what the next records are from a given cursor; the blocking half of the reader.

Records come in append order over all topics. Nothing here changes when a scan is not used:
where to go on is in the cursor that the scan returns, so a reader that drops a scan (because it
was cancelled) loses nothing.

This module must not know asyncio.
"""

import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import msgspec

from pulsebot.errors import StreamError
from pulsebot.stream.base import Gap, Partition
from pulsebot.stream.local.database import explained, is_same_file, open_to_read

MAX_BYTES = 16 * 2**20
"""Values in one scan; one more record may exceed it, so that large ones get through."""

MAX_POSITIONS = 50_000
"""Positions that one scan passes over, wanted or not: bounds how long it takes."""

_unpack = msgspec.msgpack.Decoder(tuple[tuple[str, bytes], ...]).decode

_RECORDS = """
SELECT position, topic, offset, timestamp, headers, value FROM records
WHERE position >= ? AND position < ? AND +topic IN (SELECT value FROM json_each(?))
ORDER BY position
"""


class LocalRecord(NamedTuple):
    """One record of the log, as `pulsebot.stream.base.Record` says."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


class _Topic(NamedTuple):
    id: int
    name: str
    earliest: int
    next: int


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a reader is.

    `asked` holds for topics that have not been met yet, `expected` (next offset by topic) for
    those that have. `position` is None until the first scan. `version` is that of the file
    where all of it has been read, else None.
    """

    asked: Mapping[Partition, int] = field(default_factory=dict)
    expected: Mapping[str, int] = field(default_factory=dict)
    position: int | None = None
    version: int | None = None

    def again(self) -> "Cursor":
        """Return a cursor that finds the same places in a file that took this one's place."""
        met = {Partition(name, 0): offset for name, offset in self.expected.items()}
        return Cursor({**self.asked, **met})


@dataclass(frozen=True, slots=True)
class Scan:
    """What one look at the log gave, and where to go on."""

    records: Sequence[LocalRecord]
    gaps: Sequence[Gap]
    cursor: Cursor

    @property
    def at_end(self) -> bool:
        """Whether everything in the log has been seen."""
        return self.cursor.version is not None


class Scanner:
    """One read-only connection; all calls but `glance` come from one thread.

    `wanted` says of a topic's name whether it is read.
    """

    def __init__(self, path: Path, wanted: Callable[[str], bool]) -> None:
        self._path = path
        self._wal = f"{path}-wal"
        self._wanted = wanted
        self._db: sqlite3.Connection | None = None
        self._inode = 0

    def open(self) -> None:
        """Open the log, or make it; raises StreamError where that cannot be."""
        with explained(self._path):
            self._db = open_to_read(self._path)
            self._inode = self._path.stat().st_ino

    def close(self) -> None:
        """Let go of the file."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def glance(self) -> object:
        """Return something that is another when the log has changed; takes microseconds."""
        try:
            wal = os.stat(self._wal)  # noqa: PTH116 - on the hot path
        except FileNotFoundError:
            return None
        return wal.st_ino, wal.st_size, wal.st_mtime_ns

    def scan(self, cursor: Cursor, max_records: int) -> Scan:
        """Return the next records after the cursor; none where there is nothing new."""
        # Somebody may have moved the log away to start afresh: then follow the name.
        if self._db is None or not is_same_file(self._path, self._inode):
            self.close()
            self.open()
            cursor = cursor.again()
        with explained(self._path):
            # Asked before the snapshot: what is committed in between is just seen twice.
            version = self._version()
            if version == cursor.version:
                return Scan((), (), cursor)
            with self._snapshot() as db:
                return self._scan(db, cursor, version, max_records)

    def _scan(self, db: sqlite3.Connection, cursor: Cursor, version: int, max_records: int) -> Scan:
        topics = self._topics(db)
        expected, gaps = _settle(cursor, topics)
        (end,) = db.execute("SELECT coalesce(sum(next), 0) FROM topics").fetchone()
        start = cursor.position
        if start is None:
            start = _first_position(db, topics, expected, end)
        stop = min(end, start + MAX_POSITIONS)
        rows = db.execute(_RECORDS, (start, stop, json.dumps([topic.id for topic in topics])))
        names = {topic.id: topic.name for topic in topics}
        records, last = _take(rows, names, expected, max_records)
        position = stop if last is None else last + 1
        seen = version if position >= end else None
        return Scan(records, gaps, Cursor(cursor.asked, expected, position, seen))

    def ends(self) -> Mapping[Partition, int]:
        """Return the next offset of each topic that is read."""
        with explained(self._path), self._snapshot() as db:
            return {Partition(topic.name, 0): topic.next for topic in self._topics(db)}

    def offsets_at(self, time_ms: int) -> Mapping[Partition, int]:
        """Return of each topic the first offset with that log time or a later one."""
        with explained(self._path), self._snapshot() as db:
            found = {}
            for topic in self._topics(db):
                row = db.execute(
                    "SELECT offset FROM records INDEXED BY lanes "
                    "WHERE topic = ? AND timestamp >= ? ORDER BY offset LIMIT 1",
                    (topic.id, time_ms),
                ).fetchone()
                found[Partition(topic.name, 0)] = row[0] if row else topic.next
            return found

    def _topics(self, db: sqlite3.Connection) -> list[_Topic]:
        rows = db.execute("SELECT id, name, earliest, next FROM topics")
        return [topic for topic in map(_Topic._make, rows) if self._wanted(topic.name)]

    @contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Connection]:
        db = self._connection()
        db.execute("BEGIN")
        try:
            yield db
        finally:
            db.execute("COMMIT")

    def _version(self) -> int:
        (version,) = self._connection().execute("PRAGMA data_version").fetchone()
        return int(version)

    def _connection(self) -> sqlite3.Connection:
        if self._db is None:
            raise StreamError(f"{self._path}: not open")
        return self._db


def _settle(cursor: Cursor, topics: Sequence[_Topic]) -> tuple[dict[str, int], list[Gap]]:
    """Return the offset to go on at for each topic, and what of it retention took."""
    expected, gaps = dict(cursor.expected), []
    for topic in topics:
        partition = Partition(topic.name, 0)
        asked = expected.get(topic.name, cursor.asked.get(partition, topic.earliest))
        # Beyond the end: the log was started afresh, and its old offsets mean nothing.
        if not topic.earliest <= asked <= topic.next:
            gaps.append(Gap(partition, asked, topic.earliest))
            asked = topic.earliest
        expected[topic.name] = asked
    return expected, gaps


def _first_position(
    db: sqlite3.Connection, topics: Sequence[_Topic], expected: Mapping[str, int], end: int
) -> int:
    first: int = end
    for topic in topics:
        row = db.execute(
            "SELECT position FROM records WHERE topic = ? AND offset >= ? ORDER BY offset LIMIT 1",
            (topic.id, expected[topic.name]),
        ).fetchone()
        if row:
            first = min(first, row[0])
    return first


def _take(
    rows: sqlite3.Cursor, names: Mapping[int, str], expected: dict[str, int], max_records: int
) -> tuple[list[LocalRecord], int | None]:
    """Take records up to the limits, moving `expected` on.

    Returns them and the last position where a limit ended it, None where the rows ended.
    """
    records: list[LocalRecord] = []
    size = 0
    for position, topic, offset, timestamp, headers, value in rows:
        name = names[topic]
        if offset < expected[name]:
            continue
        expected[name] = offset + 1
        unpacked = _unpack(headers) if headers else ()
        records.append(LocalRecord(name, 0, offset, timestamp, value, unpacked))
        size += len(value)
        if len(records) >= max_records or size >= MAX_BYTES:
            return records, position
    return records, None
