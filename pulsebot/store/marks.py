"""De-duplication marks: which events were already counted.

An event with (producer, sequence) is marked in that producer's set of ranges, which stays a
handful of numbers however long it runs; any other by a hash of (source, id).
"""

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from pulsebot.store.database import Connection

MAX_RANGES = 4096
"""Ranges kept for one producer; past that the oldest is forgotten.

It takes 4,096 events lost for good before a repetition of the oldest could count twice.
"""

_CHUNK = 500


class Tables(NamedTuple):
    """Names of the two tables that hold a set of marks."""

    ranges: str
    ids: str


LIVE = Tables("mark_range", "mark_id")
"""The marks of what the bot itself consumed."""


def tables_of(view: int) -> Tables:
    """Return the tables of the marks of a view while it is built from the log."""
    return Tables(f"mark_range_{view}", f"mark_id_{view}")


def create(connection: Connection, tables: Tables) -> None:
    """Make the tables of a further set of marks, empty."""
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {tables.ranges} (producer TEXT PRIMARY KEY,"
        " ranges BLOB NOT NULL, seen_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID"
    )
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {tables.ids} (hash BLOB PRIMARY KEY,"
        " seen_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID"
    )


def drop(connection: Connection, tables: Tables) -> None:
    """Delete a further set of marks."""
    for table in tables:
        connection.execute(f"DROP TABLE IF EXISTS {table}")


class Ranges:
    """A set of whole numbers, kept as sorted closed ranges that neither touch nor overlap."""

    __slots__ = ("ends", "starts")

    def __init__(self, pairs: Iterable[tuple[int, int]] = ()) -> None:
        self.starts: list[int] = []
        self.ends: list[int] = []
        for start, end in pairs:
            self.starts.append(start)
            self.ends.append(end)

    def add(self, number: int) -> bool:
        """Add a number; return whether it is new."""
        starts, ends = self.starts, self.ends
        if not ends or number > ends[-1] + 1:
            starts.append(number)
            ends.append(number)
            if len(starts) > MAX_RANGES:
                del starts[0], ends[0]
            return True
        if number == ends[-1] + 1:
            ends[-1] = number
            return True
        return self._add_inside(number)

    def _add_inside(self, number: int) -> bool:
        starts, ends = self.starts, self.ends
        i = bisect_right(starts, number) - 1
        if i >= 0 and number <= ends[i]:
            return False
        touches_left = i >= 0 and ends[i] + 1 == number
        touches_right = starts[i + 1] - 1 == number
        if touches_left and touches_right:
            ends[i] = ends[i + 1]
            del starts[i + 1], ends[i + 1]
        elif touches_left:
            ends[i] = number
        elif touches_right:
            starts[i + 1] = number
        else:
            starts.insert(i + 1, number)
            ends.insert(i + 1, number)
        return True

    def pairs(self) -> list[tuple[int, int]]:
        """Return the ranges in order, both ends included."""
        return list(zip(self.starts, self.ends, strict=True))


class Marks:
    """The marks of one database, cached; `take_dirty` gives what to write in this transaction."""

    def __init__(self, tables: Tables = LIVE) -> None:
        self._table = tables.ranges
        self._ranges: dict[str, Ranges] = {}
        self._dirty: set[str] = set()

    def load(self, connection: Connection) -> None:
        """Read all producers' ranges."""
        rows = connection.execute(f"SELECT producer, ranges FROM {self._table}")
        self._ranges = {
            producer: Ranges(msgspec.msgpack.decode(blob, type=list[tuple[int, int]]))
            for producer, blob in rows
        }
        self._dirty.clear()

    def add(self, producer: str, sequence: int) -> bool:
        """Mark an event; return whether it is new."""
        ranges = self._ranges.get(producer)
        if ranges is None:
            ranges = self._ranges[producer] = Ranges()
        self._dirty.add(producer)
        return ranges.add(sequence)

    def save(self, connection: Connection, now_ms: int) -> None:
        """Write what changed since the last time."""
        connection.executemany(
            f"INSERT INTO {self._table} VALUES (?, ?, ?) ON CONFLICT DO UPDATE"
            " SET ranges = excluded.ranges, seen_ms = excluded.seen_ms",
            [
                (producer, msgspec.msgpack.encode(self._ranges[producer].pairs()), now_ms)
                for producer in self._dirty
            ],
        )
        self._dirty.clear()


def identity(source: str, event_id: str) -> bytes:
    """Return 16 bytes that stand for (source, id)."""
    return hashlib.blake2b(f"{source}\0{event_id}".encode(), digest_size=16).digest()


def known(connection: Connection, identities: Sequence[bytes], tables: Tables = LIVE) -> set[bytes]:
    """Return those of the identities that are marked already."""
    found: set[bytes] = set()
    for i in range(0, len(identities), _CHUNK):
        chunk = identities[i : i + _CHUNK]
        holes = ",".join("?" * len(chunk))
        rows = connection.execute(f"SELECT hash FROM {tables.ids} WHERE hash IN ({holes})", chunk)
        found.update(row[0] for row in rows)
    return found


def add(
    connection: Connection, identities: Iterable[bytes], now_ms: int, tables: Tables = LIVE
) -> None:
    """Mark identities."""
    connection.executemany(
        f"INSERT OR IGNORE INTO {tables.ids} VALUES (?, ?)", [(i, now_ms) for i in identities]
    )
