"""What changed in a version of a view since a revision: rows that are there, and rows that went.

Bounded looks: a look returns no more rows than asked for, and where to go on. This module must
not know who follows a view.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pulsebot.store.database import Connection
from pulsebot.store.viewtables import SHOWN, WAITING, quoted, table_of


class Spot(NamedTuple):
    """A place in the order of changes: the change at it was seen."""

    revision: int
    key: str = ""
    start_ms: int = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be told of a changed row, in SQLite's words: `items` and a condition.

    `visible` are the view's columns with what they are in its table; all of them may be named
    in `items` and `where`, by `alias` or without.
    """

    view: int
    alias: str
    visible: tuple[tuple[str, str], ...]
    items: str
    where: str


class Changed(NamedTuple):
    """A row that changed: where it stands, whether it is meant to be seen, and its values."""

    spot: Spot
    shown: bool
    values: tuple[Any, ...]


def rows(
    connection: Connection, wanted: Wanted, after: Spot, until: int, limit: int
) -> list[Changed]:
    """Return rows that changed after a spot up to a revision, in the order of their changes.

    Rows that wait for the end of their window are not among them.
    """
    visible = ", ".join(f"{what} AS {quoted(name)}" for name, what in wanted.visible)
    inner = (
        f"SELECT {visible}, _revision, _key, _start_ms AS _start, _shown"
        f" FROM {table_of(wanted.view)}"
        " WHERE (_revision, _key, _start_ms) > (?, ?, ?) AND _revision <= ?"
        f" AND _shown <> {WAITING} ORDER BY _revision, _key, _start_ms LIMIT ?"
    )
    found = connection.execute(
        f"SELECT _revision, _key, _start, _shown = {SHOWN} AND coalesce({wanted.where}, 0),"
        f" {wanted.items} FROM ({inner}) AS {quoted(wanted.alias)}"
        " ORDER BY _revision, _key, _start",
        (*after, until, limit),
    )
    return [Changed(Spot(*row[:3]), bool(row[3]), row[4:]) for row in found]


def removed(connection: Connection, view: int, after: Spot, until: int, limit: int) -> list[Spot]:
    """Return rows that were removed after a spot up to a revision, in that order."""
    found = connection.execute(
        "SELECT revision, key, start_ms FROM sql_view_removed WHERE view = ?"
        " AND (revision, key, start_ms) > (?, ?, ?) AND revision <= ?"
        " ORDER BY revision, key, start_ms LIMIT ?",
        (view, *after, until, limit),
    )
    return [Spot(*row) for row in found]


REMOVED_KEPT = 100_000
"""Removed rows of a version that are remembered; who comes later must take all rows anew."""

_PIECE = 5_000
"""Removed rows of a version that are forgotten in one transaction, and what went with them."""


def forget_removed(connection: Connection, keep: int = REMOVED_KEPT, piece: int = _PIECE) -> bool:
    """Forget a piece of what was removed long ago; return whether there is more.

    Of each version at least the last `keep` rows stay, and only whole revisions go, so that
    the first one that is left is complete.
    """
    more = False
    for (view,) in connection.execute("SELECT id FROM sql_view").fetchall():
        forgotten = connection.execute(
            "DELETE FROM sql_view_removed WHERE view = ?1 AND revision < (SELECT revision"
            " FROM sql_view_removed WHERE view = ?1 ORDER BY revision DESC LIMIT 1 OFFSET ?2)"
            " AND revision <= (SELECT max(revision) FROM (SELECT revision"
            " FROM sql_view_removed WHERE view = ?1 ORDER BY revision LIMIT ?3))",
            (view, keep, piece),
        )
        more = more or forgotten.rowcount >= piece
    return more


def remembers(connection: Connection, view: int, revision: int, keep: int = REMOVED_KEPT) -> bool:
    """Tell whether all rows are remembered that were removed after a revision was known.

    The revision may be known in part only: what a look left of it is remembered as well.
    """
    (first,) = connection.execute(
        "SELECT min(revision) FROM sql_view_removed WHERE view = ?", (view,)
    ).fetchone()
    if first is None or first <= revision:
        return True
    (count,) = connection.execute(
        "SELECT count(*) FROM sql_view_removed WHERE view = ?", (view,)
    ).fetchone()
    return int(count) <= keep  # so many are always left where any were forgotten, and one more


def gone(connection: Connection, wanted: Wanted, values: Sequence[Any]) -> tuple[Any, ...] | None:
    """Return what is told of a row that is gone; None where the condition rules it out.

    `values` are those of the visible columns, NULL where they are not known any longer.
    """
    visible = ", ".join(f"? AS {quoted(name)}" for name, _ in wanted.visible)
    row: tuple[Any, ...] | None = connection.execute(
        f"SELECT {wanted.items} FROM (SELECT {visible}) AS {quoted(wanted.alias)}"
        f" WHERE coalesce({wanted.where}, 1)",
        tuple(values),
    ).fetchone()
    return row


class Latest(NamedTuple):
    """A row as it is now: the end of its window, and its columns; None where it is not seen."""

    spot: Spot
    end_ms: int
    values: tuple[Any, ...] | None


def latest(
    connection: Connection, view: int, columns: Sequence[str], after: Spot, limit: int
) -> tuple[list[Latest], bool]:
    """Return rows that changed or were removed after a spot, in one order, each at most once.

    And whether there are more. Cut between two revisions, unless a single one is too large.
    """
    table, nothing = table_of(view), ", NULL" * len(columns)
    values = "".join(f", {quoted(name)}" for name in columns)
    found = connection.execute(
        f"SELECT _revision, _key, _start_ms, _end_ms, _shown = {SHOWN}{values} FROM {table}"
        " WHERE (_revision, _key, _start_ms) > (?1, ?2, ?3)"
        f" UNION ALL SELECT revision, key, start_ms, 0, 0{nothing} FROM sql_view_removed AS removed"
        " WHERE view = ?4 AND (revision, key, start_ms) > (?1, ?2, ?3) AND NOT EXISTS ("
        f"SELECT 1 FROM {table} WHERE _key = removed.key AND _start_ms = removed.start_ms)"
        " ORDER BY 1, 2, 3 LIMIT ?5",
        (*after, view, limit),
    ).fetchall()
    if (more := len(found) == limit) and found[0][0] < (last := found[-1][0]):
        found = [row for row in found if row[0] < last]
    return [Latest(Spot(*row[:3]), row[3], row[5:] if row[4] else None) for row in found], more


def count_after(connection: Connection, view: int, after: Spot) -> int:
    """Return how many rows changed or were removed after a spot."""
    [(count,)] = connection.execute(
        f"SELECT (SELECT count(*) FROM {table_of(view)}"
        " WHERE (_revision, _key, _start_ms) > (?1, ?2, ?3))"
        " + (SELECT count(*) FROM sql_view_removed"
        " WHERE view = ?4 AND (revision, key, start_ms) > (?1, ?2, ?3))",
        (*after, view),
    )
    return int(count)
