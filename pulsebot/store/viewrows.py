"""Rows of a view for people: by key and range of time, the newest first.

Made so that an index serves it: one key, or the windows that end last. This module must not
know who asks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pulsebot.store.database import Connection
from pulsebot.store.viewtables import quoted


@dataclass(frozen=True, slots=True)
class Asked:
    """Which rows: those with `key` in one of the key columns, whose window touches a range (ms)."""

    limit: int
    key: str | None = None
    start_ms: int | None = None
    end_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What is read: a view's name, the columns wanted of it, and its key columns."""

    name: str
    columns: Sequence[str]
    keys: Sequence[str]
    windowed: bool


def rows(connection: Connection, seen: Seen, asked: Asked) -> list[tuple[Any, ...]]:
    """Return up to `limit` rows, those of the newest windows first."""
    tests: list[str] = []
    values: list[Any] = []
    if asked.key is not None:
        tests.append(f"({' OR '.join(f'{quoted(key)} = ?' for key in seen.keys) or '0'})")
        values += [asked.key] * len(seen.keys)
    if asked.start_ms is not None:
        tests.append("WINDOWEND_MS > ?")
        values.append(asked.start_ms)
    if asked.end_ms is not None:
        tests.append("WINDOWSTART_MS < ?")
        values.append(asked.end_ms)
    by = [quoted(key) for key in seen.keys]
    if seen.windowed:
        by.insert(0, f"{'WINDOWEND_MS' if asked.key is None else 'WINDOWSTART_MS'} DESC")
    found = connection.execute(
        f"SELECT {', '.join(map(quoted, seen.columns))} FROM {quoted(seen.name)}"
        f"{' WHERE ' if tests else ''}{' AND '.join(tests)}"
        f"{' ORDER BY ' if by else ''}{', '.join(by)} LIMIT ?",
        (*values, asked.limit),
    )
    return [tuple(row) for row in found]


def has_key(connection: Connection, seen: Seen, key: str) -> bool:
    """Tell whether any row has a key."""
    return bool(rows(connection, seen, Asked(limit=1, key=key)))


def some_keys(connection: Connection, seen: Seen, limit: int) -> list[str]:
    """Return some values of the first key column, in their order."""
    if not seen.keys:
        return []
    column = quoted(seen.keys[0])
    found = connection.execute(
        f"SELECT DISTINCT {column} FROM {quoted(seen.name)} WHERE {column} IS NOT NULL"
        f" ORDER BY {column} LIMIT ?",
        (limit,),
    )
    return [str(row[0]) for row in found]
