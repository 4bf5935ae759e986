"""De-duplication marks: which events were already counted.

An event with (producer, sequence) is marked in that producer's set of ranges, which stays a
handful of numbers however long it runs; any other by a hash of (source, id).
"""

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
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
        if not self._add_run(number, number):
            return False
        if len(self.starts) > MAX_RANGES:
            del self.starts[0], self.ends[0]
        return True

    def add_all(self, numbers: Sequence[int]) -> list[int]:
        """Add numbers in their order; return the indexes of those that are not new.

        The same as adding one after the other, at the cost of the runs of neighbours in them.
        """
        runs = _runs(numbers)
        if len(self.starts) + len(runs) > MAX_RANGES:  # it may have to forget in between
            return [i for i, number in enumerate(numbers) if not self.add(number)]
        known: list[int] = []
        at = 0
        for first, last in runs:
            if not self._add_run(first, last):
                run = enumerate(range(first, last + 1), at)
                known += [i for i, number in run if not self._add_run(number, number)]
            at += last - first + 1
        return known

    def _add_run(self, first: int, last: int) -> bool:
        """Add [first, last] if nothing of it is there; return whether that was so."""
        starts, ends = self.starts, self.ends
        at = bisect_right(starts, first) if starts and first < starts[-1] else len(starts)
        if (at and first <= ends[at - 1]) or (at < len(starts) and starts[at] <= last):
            return False
        joins_left = at > 0 and ends[at - 1] + 1 == first
        joins_right = at < len(starts) and last + 1 == starts[at]
        if joins_left and not joins_right:  # by far the most common case
            ends[at - 1] = last
            return True
        replaced = slice(at - joins_left, at + joins_right)
        starts[replaced] = [starts[at - 1] if joins_left else first]
        ends[replaced] = [ends[at] if joins_right else last]
        return True

    def pairs(self) -> list[tuple[int, int]]:
        """Return the ranges in order, both ends included."""
        return list(zip(self.starts, self.ends, strict=True))


def _runs(numbers: Sequence[int]) -> Sequence[tuple[int, int]]:
    """Return first and last of each stretch that counts up by one, in their order."""
    breaks = [(a, b) for a, b in pairwise(numbers) if b != a + 1]
    if not breaks:  # by far the most common case
        return [(numbers[0], numbers[-1])]
    firsts = [numbers[0], *[b for _, b in breaks]]
    lasts = [*[a for a, _ in breaks], numbers[-1]]
    return list(zip(firsts, lasts, strict=True))


class Marks:
    """The marks of one database, cached; `save` writes what changed."""

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

    def add(self, numbers: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
        """Mark events by producer, the sequences of each in their order of arrival.

        Returns the indexes of those that were marked before, for producers that have any.
        """
        repeated: dict[str, list[int]] = {}
        for producer, sequences in numbers.items():
            ranges = self._ranges.get(producer)
            if ranges is None:
                ranges = self._ranges[producer] = Ranges()
            if found := ranges.add_all(sequences):
                repeated[producer] = found
        self._dirty.update(numbers)
        return repeated

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
