"""What a chart of a SQL view is drawn from: bounded reads of its newest or largest rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pulsebot.store.database import Connection
from pulsebot.store.viewtables import SHOWN, quoted, table_of

_NUMBERS = ("INTEGER", "REAL")


@dataclass(frozen=True, slots=True)
class Columns:
    """The visible columns of a version: its keys, and those that hold numbers (type by name)."""

    keys: tuple[str, ...]
    numbers: dict[str, str]
    windowed: bool


def columns(connection: Connection, view: int) -> Columns:
    """Return the columns of a version; nothing where it has no table."""
    table = table_of(view)
    told = connection.execute(f"PRAGMA table_info({quoted(table)})").fetchall()
    indexes = {row[1] for row in connection.execute(f"PRAGMA index_list({quoted(table)})")}
    mine = [(row[1], row[2]) for row in told if not row[1].startswith(("_", "WINDOW"))]
    keys = tuple(name for name, _ in mine if f"{table}_{name}" in indexes)
    numbers = {name: kind for name, kind in mine if kind in _NUMBERS and name not in keys}
    return Columns(keys, numbers, windowed=f"{table}_end" in indexes)


def by_window(
    connection: Connection, view: int, column: str, sums: str, limit: int
) -> list[tuple[str, float]]:
    """Return (WINDOWSTART, value) of the newest windows, oldest first; `sums`: `sum` or `max`."""
    table, value = table_of(view), quoted(column)
    rows = connection.execute(
        f"SELECT WINDOWSTART, {'max' if sums == 'max' else 'sum'}({value}) FROM {table}"
        f" WHERE _shown = {SHOWN} AND _end_ms >= (SELECT min(_end_ms) FROM (SELECT DISTINCT"
        f" _end_ms FROM {table} ORDER BY _end_ms DESC LIMIT ?))"
        " GROUP BY _start_ms ORDER BY _start_ms DESC LIMIT ?",
        (limit, limit),
    )
    return [(start, value or 0) for start, value in rows][::-1]


def largest(
    connection: Connection, view: int, column: str, keys: Sequence[str], limit: int
) -> list[tuple[str, float]]:
    """Return (keys, value) of the rows with the largest values of a column, largest first."""
    shown = " || ' · ' || ".join(f"coalesce({quoted(key)}, '–')" for key in keys) or "''"
    rows = connection.execute(
        f"SELECT {shown}, {quoted(column)} FROM {table_of(view)} WHERE _shown = {SHOWN}"
        f" AND {quoted(column)} IS NOT NULL ORDER BY {quoted(column)} DESC LIMIT ?",
        (limit,),
    )
    return rows.fetchall()


def newest(connection: Connection, view: int, name: str, limit: int) -> list[dict[str, Any]]:
    """Return some rows of a live view as people see them; of the newest windows, if it has any."""
    windowed = columns(connection, view).windowed
    order = "ORDER BY WINDOWEND_MS DESC" if windowed else ""
    cursor = connection.execute(f"SELECT * FROM {quoted(name)} {order} LIMIT ?", (limit,))
    names = [told[0] for told in cursor.description]
    hidden = {"WINDOWSTART_MS", "WINDOWEND_MS"}
    return [
        {name: value for name, value in zip(names, row, strict=True) if name not in hidden}
        for row in cursor
    ]


def count(connection: Connection, view: int, limit: int) -> tuple[int, bool]:
    """Return how many rows of a version people see, and whether there may be more.

    Looks at so many rows at the most, those that `HAVING` hides among them.
    """
    shown, seen = connection.execute(
        f"SELECT count(*) FILTER (WHERE _shown = {SHOWN}), count(*)"
        f" FROM (SELECT _shown FROM {table_of(view)} LIMIT ?)",
        (limit,),
    ).fetchone()
    return int(shown), seen == limit
