"""Pull queries: a SELECT over what views hold, on a connection that can only read.

Built so that it cannot do harm: SQLite's authorizer lets it read the rows of views and nothing
else, and it is stopped when its time is over. Times of windows may be compared with texts.
"""

import sqlite3
import time
from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlglot import exp
from sqlglot.errors import SqlglotError

from pulsebot.civil import instant
from pulsebot.errors import InvalidInput
from pulsebot.materialize.answer import Answer
from pulsebot.store.database import connect
from pulsebot.views.place import InvalidSql, nearest
from pulsebot.views.statement import Query

_STEPS = 2_000
"""Instructions of SQLite's machine between two looks at the clock: well under a millisecond."""

_MILLISECONDS = {"WINDOWSTART": "WINDOWSTART_MS", "WINDOWEND": "WINDOWEND_MS"}
_COMPARED = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between, exp.In)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one query may take."""

    seconds: float = 5.0
    rows: int = 1_000


@dataclass(frozen=True, slots=True)
class Pull:
    """A query ready to run: SQLite's text of it, and the zone its texts of times mean."""

    sql: str
    view: str


def prepare(query: Query, views: Collection[str], zone: ZoneInfo) -> Pull:
    """Check a query and translate it for SQLite; raises InvalidSql."""
    select = query.select.copy()
    found = select.args.get("from_")
    table = found.this if found else None
    if not isinstance(table, exp.Table) or table.db or select.args.get("joins"):
        raise InvalidSql("a query reads one view: SELECT … FROM view", query.place(query.select))
    name = table.name if table.this.args.get("quoted") else table.name.upper()
    if name not in views:
        raise InvalidSql(f"there is no view {name}{nearest(name, views)}", query.place(table))
    if query.window is not None:
        raise InvalidSql("WINDOW belongs into CREATE TABLE", query.window.place)
    for inner in select.find_all(exp.Subquery, exp.Select):
        if inner is not select:
            raise InvalidSql("sub-queries are not supported", query.place(inner))
    for comparison in list(select.find_all(*_COMPARED)):
        _compare_times(comparison, query, zone)
    table.set("this", exp.Identifier(this=name, quoted=True))
    try:
        return Pull(select.sql(dialect="sqlite"), name)
    except (SqlglotError, ValueError) as error:
        raise InvalidSql(f"cannot be asked: {error}", query.place(query.select)) from None


def _compare_times(comparison: exp.Expr, query: Query, zone: ZoneInfo) -> None:
    """Turn `WINDOWSTART >= '2026-11-20'` into a comparison of milliseconds."""
    bounds = [c for c in comparison.find_all(exp.Column) if c.name.upper() in _MILLISECONDS]
    if not bounds:
        return
    for column in bounds:
        column.set("this", exp.Identifier(this=_MILLISECONDS[column.name.upper()]))
    for literal in [c for c in comparison.find_all(exp.Literal) if c.is_string]:
        literal.replace(exp.Literal.number(_instant(literal, query, zone)))


def _instant(literal: exp.Literal, query: Query, zone: ZoneInfo) -> int:
    try:
        moment = datetime.fromisoformat(literal.this)
    except ValueError:
        raise InvalidSql(
            f"{literal.this!r} is no time; write '2026-11-20' or '2026-11-20T14:00'",
            query.place(literal),
        ) from None
    if moment.tzinfo is not None:
        return round(moment.timestamp() * 1000)
    return instant(moment, zone)


def run(path: Path, pull: Pull, limits: Limits) -> Answer:
    """Run a query on a connection of its own; raises InvalidInput where it takes too long."""
    with closing(connect(path, read_only=True)) as connection:
        ends = time.monotonic() + limits.seconds
        connection.set_progress_handler(lambda: time.monotonic() > ends, _STEPS)
        connection.set_authorizer(_authorized)
        try:
            cursor = connection.execute(pull.sql)
            rows = cursor.fetchmany(limits.rows + 1)
        except sqlite3.OperationalError as error:
            raise InvalidInput(_said(error, limits)) from None
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise InvalidInput(f"the query was refused: {error}") from None
        columns = tuple(column[0] for column in cursor.description)
        more = f"the first {limits.rows:,} rows; ask for one key, or a shorter time"
        cut = more if len(rows) > limits.rows else ""
        return Answer("", columns, rows[: limits.rows], cut)


def _said(error: sqlite3.Error, limits: Limits) -> str:
    if "interrupted" in str(error):
        return f"stopped after {limits.seconds:g} s; ask for one key or a shorter time"
    return f"the query was refused: {error}"


_ALLOWED = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})
_HARMFUL = frozenset({"load_extension", "randomblob", "zeroblob", "fts3_tokenizer", "readfile"})


def _authorized(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    if action == sqlite3.SQLITE_READ and first is not None:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_FUNCTION and second in _HARMFUL:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY
