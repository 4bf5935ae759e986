"""Pull queries: a SELECT over what a view holds, on a connection that can only read.

Built so that it cannot do harm: SQLite's authorizer lets it read the rows of its view and
nothing else, its texts and its answer are bounded, it is stopped when its time is over or
nobody wants the answer any longer, and only a few run at once.
"""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from pulsebot.errors import InvalidInput
from pulsebot.materialize.answer import Answer
from pulsebot.materialize.relation import Relation
from pulsebot.materialize.selection import AGGREGATES, SCALARS, Selection
from pulsebot.store.database import Connection, connect
from pulsebot.views.functions.base import Function
from pulsebot.views.functions.table import FUNCTIONS

AT_ONCE = 2
"""Queries that run at once; each takes a processor."""

WAITING = 16
"""Queries that wait for their turn; a further one is refused."""

STEPS = 10_000
"""Instructions of SQLite's machine between two looks at the clock: about a millisecond."""

_BOUNDS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 2_000_000,  # bytes of a text or a row, on the way too
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 200_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 200,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 200,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 2,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 50,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 200,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}


class TooMany(InvalidInput):
    """Report that others are asking already: the same question can be answered later."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one query may take: seconds, rows, and bytes of all texts in them."""

    seconds: float = 5.0
    rows: int = 10_000
    size: int = 8_000_000


class Pulls:
    """Runs queries over one database off the loop: a few at once, some more in a queue."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._inside = 0

    async def run(self, asked: Selection, limits: Limits) -> Answer:
        """Run a query; raises InvalidInput where it takes too much, or too many are asking.

        Cancelling stops the query as well.
        """
        if self._inside >= AT_ONCE + WAITING:
            raise TooMany("too many queries at once; ask again in a moment")
        self._inside += 1
        unwanted = threading.Event()
        try:
            async with self._turns:
                return await asyncio.to_thread(run, self._path, asked, limits, unwanted.is_set)
        finally:
            unwanted.set()
            self._inside -= 1


def run(path: Path, asked: Selection, limits: Limits, unwanted: Callable[[], bool]) -> Answer:
    """Run a query on a connection of its own; raises InvalidInput where it takes too much."""
    with closing(confined(path, asked.relation)) as connection:
        ends = time.monotonic() + limits.seconds
        connection.set_progress_handler(lambda: unwanted() or time.monotonic() > ends, STEPS)
        try:
            return _fetched(connection.execute(asked.sql), limits)
        except sqlite3.Error as error:
            raise InvalidInput(said(error, limits.seconds)) from None


def confined(path: Path, relation: Relation, *, inside: bool = False) -> Connection:
    """Return a connection that can read the rows of one view, within bounds, and no more.

    `inside` lets it read the table behind the view as well.
    """
    connection = connect(path, read_only=True)
    for what, most in _BOUNDS.items():
        connection.setlimit(what, most)
    connection.text_factory = lambda raw: raw.decode(errors="replace")
    for name in FUNCTIONS.keys() - _OWN:
        connection.create_function(name, -1, _callable(FUNCTIONS[name]), deterministic=True)
    connection.execute("PRAGMA case_sensitive_like=ON")  # as views compare
    connection.set_authorizer(_authorizer(relation, inside=inside))
    return connection


def _fetched(cursor: sqlite3.Cursor, limits: Limits) -> Answer:
    columns = tuple(column[0] for column in cursor.description)
    rows: list[tuple[Any, ...]] = []
    size = 0
    for row in cursor:
        if len(rows) == limits.rows:
            more = f"the first {limits.rows:,} rows; ask for one key, or a shorter time"
            return Answer("", columns, rows, more)
        size += sum(len(value) for value in row if isinstance(value, str | bytes))
        if size > limits.size:
            more = f"the first {len(rows):,} rows: all of them would be too much"
            return Answer("", columns, rows, more)
        rows.append(tuple(map(readable, row)))
    return Answer("", columns, rows)


def readable(value: Any) -> Any:  # noqa: ANN401 - whatever SQLite holds
    """Return a value as any program can read it."""
    return value.hex() if isinstance(value, bytes) else value


def said(error: sqlite3.Error, seconds: float) -> str:
    """Return what is told of an error of SQLite's."""
    words = str(error)
    if "interrupted" in words:
        return f"stopped after {seconds:g} s; ask for one key or a shorter time"
    if "too big" in words:
        return "the query was stopped: a text in it grows too long"
    return f"the query was refused: {words}"


_OWN = frozenset({"ABS", "COALESCE", "IFNULL", "LENGTH", "LOWER", "REPLACE", "ROUND", "SUBSTR",
                  "SUBSTRING", "TRIM", "UPPER"})  # fmt: skip
"""What SQLite computes in the same way, and quicker."""

_OPERATORS = frozenset({"LIKE", "->>"})
_FUNCTIONS = AGGREGATES | SCALARS | FUNCTIONS.keys() | _OPERATORS


def _authorizer(relation: Relation, *, inside: bool) -> Callable[..., int]:
    """Return what SQLite asks, while it compiles a query, about each thing that it would do."""
    readable_by = {(relation.table, relation.name), (relation.name, None)}
    readable_by |= {(relation.table, None)} if inside else set()

    def authorized(
        action: int, first: str | None, second: str | None, database: str | None, by: str | None
    ) -> int:
        if action == sqlite3.SQLITE_READ:
            allowed = database == "main" and (first, by) in readable_by
        elif action == sqlite3.SQLITE_FUNCTION:
            allowed = (second or "").upper() in _FUNCTIONS
        else:
            allowed = action == sqlite3.SQLITE_SELECT
        return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY

    return authorized


def _callable(function: Function) -> Callable[..., Any]:
    """Return a function of views for SQLite's values."""

    def call(*arguments: Any) -> Any:  # noqa: ANN401 - whatever SQLite holds
        value = function.of(arguments)
        return msgspec.json.encode(value).decode() if isinstance(value, list | dict) else value

    return call
