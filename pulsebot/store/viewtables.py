"""The rows of SQL views: per version one table of ours, and under the view's own name a SQL view.

The table `view_ID` holds for each key and window the visible columns, the states of the
aggregates, and the revision of the last change. The SQL view shows what is meant to be seen,
with window bounds as readable local times, to any tool that reads SQLite.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from pulsebot.store.database import Connection

HIDDEN, SHOWN, WAITING = 0, 1, 2
"""HAVING hides a row; EMIT FINAL lets it wait for the end of its window."""

MOMENTS = {"WINDOWSTART_MS": "_start_ms", "WINDOWEND_MS": "_end_ms"}
"""Columns that a view shows of a window, and what they are in its table."""

RESERVED = frozenset({"WINDOWSTART", "WINDOWEND", "WINDOWSTART_MS", "WINDOWEND_MS"})


def table_of(view: int) -> str:
    """Return the name of the table that holds the rows of a version."""
    return f"view_{view}"


def visible(connection: Connection, name: str) -> list[str]:
    """Return the columns that a view shows."""
    described = connection.execute(f"SELECT * FROM {quoted(name)} LIMIT 0").description
    return [str(column[0]) for column in described]


@dataclass(frozen=True, slots=True)
class Shape:
    """The columns of a version: name, SQLite type, and whether it is a part of the key.

    `grows` says whether the end of a window may move on, as that of a session does.
    """

    view: int
    name: str
    columns: tuple[tuple[str, str, bool], ...]
    windowed: bool
    grows: bool

    @property
    def table(self) -> str:
        """Name of the table that holds the rows."""
        return table_of(self.view)


class RowAt(NamedTuple):
    """Key, as JSON, and start of the window (ms); 0 where there are no windows."""

    key: str
    start_ms: int


StoredRow = tuple[Any, ...]
"""A row as it is written: key, start, end, packed states, shown, revision, and the window's ends
as people read them; then the values of the columns, in the shape's order."""

_OWN = (
    "_key", "_start_ms", "_end_ms", "_state", "_shown", "_revision", "WINDOWSTART", "WINDOWEND",
)  # fmt: skip


def create(connection: Connection, shape: Shape) -> None:
    """Make the table of a version, empty."""
    columns = "".join(f", {quoted(name)} {kind}" for name, kind, _ in shape.columns)
    connection.execute(
        f"CREATE TABLE {shape.table} (_key TEXT NOT NULL, _start_ms INTEGER NOT NULL,"
        f" _end_ms INTEGER NOT NULL, _state BLOB NOT NULL, _shown INTEGER NOT NULL,"
        f" _revision INTEGER NOT NULL, WINDOWSTART TEXT, WINDOWEND TEXT{columns},"
        " PRIMARY KEY (_key, _start_ms)) WITHOUT ROWID"
    )
    if shape.windowed:
        connection.execute(f"CREATE INDEX {shape.table}_end ON {shape.table} (_end_ms)")
    for name, _, is_key in shape.columns:
        if is_key:
            index = quoted(f"{shape.table}_{name}")
            connection.execute(f"CREATE INDEX {index} ON {shape.table} ({quoted(name)}, _start_ms)")


def index_revisions(connection: Connection, view: int) -> None:
    """Make it quick to find what changed since a revision, for whoever wants to follow a view.

    Not made from the start: it doubles the cost of every change.
    """
    connection.execute(
        f"CREATE INDEX IF NOT EXISTS view_{view}__revision ON view_{view} (_revision)"
    )


def forget_revisions(connection: Connection) -> None:
    """Drop what `index_revisions` made: whoever follows a view from now on makes it again."""
    found = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'index' AND name = tbl_name || '__revision'"
    )
    for (name,) in found.fetchall():
        connection.execute(f"DROP INDEX {quoted(name)}")


def inherit(connection: Connection, shape: Shape, earlier: int, before_ms: int) -> None:
    """Take the windows that start before a moment over from an earlier version of this shape."""
    connection.execute(f"DELETE FROM {shape.table} WHERE _start_ms < ?", (before_ms,))
    connection.execute(
        f"INSERT INTO {shape.table} SELECT * FROM view_{earlier} WHERE _start_ms < ?",
        (before_ms,),
    )


def show(connection: Connection, shape: Shape) -> None:
    """Let the view's name mean this version from now on."""
    visible = [quoted(name) for name, _, _ in shape.columns]
    if shape.windowed:
        visible += ["WINDOWSTART", "WINDOWEND"]
        visible += [f"{column} AS {name}" for name, column in MOMENTS.items()]
    connection.execute(f"DROP VIEW IF EXISTS {quoted(shape.name)}")
    connection.execute(
        f"CREATE VIEW {quoted(shape.name)} AS SELECT {', '.join(visible)} FROM {shape.table}"
        f" WHERE _shown = {SHOWN}"
    )


def hide(connection: Connection, name: str) -> None:
    """Take the name away."""
    connection.execute(f"DROP VIEW IF EXISTS {quoted(name)}")


def drop(connection: Connection, view: int) -> None:
    """Delete the rows of a version."""
    connection.execute(f"DROP TABLE IF EXISTS view_{view}")


def taken(connection: Connection, name: str) -> bool:
    """Tell whether a name already means something else in the file: a table, an index."""
    row = connection.execute(
        "SELECT 1 FROM sqlite_schema WHERE type <> 'view' AND name = ? COLLATE NOCASE", (name,)
    ).fetchone()
    return row is not None


def states(connection: Connection, shape: Shape, wanted: Iterable[RowAt]) -> dict[RowAt, list[Any]]:
    """Return the aggregates' states of those of the rows that are there."""
    statement = f"SELECT _state FROM {shape.table} WHERE _key = ? AND _start_ms = ?"
    found: dict[RowAt, list[Any]] = {}
    for at in wanted:
        row = connection.execute(statement, (at.key, at.start_ms)).fetchone()
        if row is not None:
            found[at] = msgspec.msgpack.decode(row[0])
    return found


def overlapping(
    connection: Connection, shape: Shape, key: str, start_ms: int, end_ms: int
) -> list[tuple[int, int, list[Any]]]:
    """Return start, end and states of a key's rows that touch [start_ms, end_ms]."""
    rows = connection.execute(
        f"SELECT _start_ms, _end_ms, _state FROM {shape.table}"
        " WHERE _key = ? AND _start_ms <= ? AND _end_ms >= ?",
        (key, end_ms, start_ms),
    )
    return [(start, end, msgspec.msgpack.decode(state)) for start, end, state in rows]


def write(connection: Connection, shape: Shape, rows: Iterable[StoredRow]) -> None:
    """Write rows, each in the place of what was kept for its key and window."""
    columns = [*_OWN, *(quoted(name) for name, _, _ in shape.columns)]
    # An index over a column that is set is written anew, even where the value stays.
    set_anew = ["_state", "_shown", "_revision", *(("_end_ms", "WINDOWEND") if shape.grows else ())]
    set_anew += [quoted(name) for name, _, is_key in shape.columns if not is_key]
    changed = ", ".join(f"{name} = excluded.{name}" for name in set_anew)
    connection.executemany(
        f"INSERT INTO {shape.table} ({', '.join(columns)}) VALUES"
        f" ({', '.join('?' * len(columns))}) ON CONFLICT DO UPDATE SET {changed}",
        rows,
    )


def remove(connection: Connection, shape: Shape, rows: Iterable[RowAt], revision: int) -> None:
    """Delete rows, and note that they were there."""
    gone = [(row.key, row.start_ms) for row in rows]
    connection.executemany(f"DELETE FROM {shape.table} WHERE _key = ? AND _start_ms = ?", gone)
    connection.executemany(
        "INSERT OR REPLACE INTO sql_view_removed VALUES (?, ?, ?, ?)",
        [(shape.view, *row, revision) for row in gone],
    )


def close(connection: Connection, shape: Shape, before_ms: int, revision: int) -> int:
    """Show the rows that waited for a window which ended by then; return how many."""
    return connection.execute(
        f"UPDATE {shape.table} SET _shown = {SHOWN}, _revision = ?"
        f" WHERE _shown = {WAITING} AND _end_ms <= ?",
        (revision, before_ms),
    ).rowcount


def waiting(connection: Connection, shape: Shape, before_ms: int) -> bool:
    """Tell whether a row waits for a window that ended by then."""
    return (
        connection.execute(
            f"SELECT 1 FROM {shape.table} WHERE _shown = {WAITING} AND _end_ms <= ? LIMIT 1",
            (before_ms,),
        ).fetchone()
        is not None
    )


def ended(connection: Connection, shape: Shape, before_ms: int, limit: int) -> list[RowAt]:
    """Return up to `limit` rows whose window ended before a moment, oldest first."""
    rows = connection.execute(
        f"SELECT _key, _start_ms FROM {shape.table} WHERE _end_ms < ? ORDER BY _end_ms LIMIT ?",
        (before_ms, limit),
    )
    return [RowAt(*row) for row in rows]


def keys(connection: Connection, shape: Shape) -> set[str]:
    """Return the keys that are kept, as JSON."""
    return {row[0] for row in connection.execute(f"SELECT DISTINCT _key FROM {shape.table}")}


def encoded(key: Sequence[Any]) -> str:
    """Return a key as JSON."""
    return msgspec.json.encode(key).decode()


def decoded(key: str) -> tuple[Any, ...]:
    """Return a key from its JSON."""
    return tuple(msgspec.json.decode(key))


def quoted(name: str) -> str:
    """Return a name as it may stand in a statement, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def packed(states: Sequence[Any]) -> bytes:
    """Return aggregates' states as they are kept."""
    return msgspec.msgpack.encode(states)


def plain(value: Any) -> Any:  # noqa: ANN401 - whatever an expression gave
    """Return a value as a column can hold it: lists and maps as JSON."""
    return msgspec.json.encode(value).decode() if isinstance(value, list | dict) else value
