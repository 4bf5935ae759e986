"""The catalog of SQL views: what was created, by whom, and how far each is.

A view that is replaced has two entries for a while: one `live`, one `building`. This module
must not know what statements mean.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pulsebot.store.database import Connection
from pulsebot.stream.base import Partition

State = Literal["building", "live", "broken"]
Kind = Literal["TABLE", "STREAM", "LOOKUP"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One version of a view or stream.

    `since_ms` tells from which time on it is complete, None for since ever. Events from before
    `from_ms` are left out while it is built; if it `inherits`, it takes the windows before that
    over from the version that it replaces. `late`, `refused` and `failed` count rows that came
    after the grace period, whose key was one too many, or that no code of ours could compute.
    `origin` is the file that declares it, or empty.
    """

    id: int
    name: str
    kind: Kind
    statement: str
    origin: str
    zone: str
    state: State
    max_keys: int
    retention_ms: int
    created_ms: int
    from_ms: int | None
    inherits: bool
    since_ms: int | None
    late: int
    refused: int
    failed: int
    content: bytes | None
    """The rows of a lookup table, as msgpack."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be entered."""

    name: str
    kind: Kind
    statement: str
    zone: str
    max_keys: int
    retention_ms: int
    created_ms: int
    origin: str = ""
    from_ms: int | None = None
    inherits: bool = False


_COLUMNS = (
    "id, name, kind, statement, origin, zone, state, max_keys, retention_ms, created_ms,"
    " from_ms, inherits, since_ms, late, refused, failed, content"
)


def add(connection: Connection, draft: Draft, state: State) -> Entry:
    """Enter a view; a version of the same name and state must not be there."""
    cursor = connection.execute(
        "INSERT INTO sql_view (name, kind, statement, zone, max_keys, retention_ms, created_ms,"
        " origin, from_ms, inherits, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (draft.name, draft.kind, draft.statement, draft.zone, draft.max_keys,
         draft.retention_ms, draft.created_ms, draft.origin, draft.from_ms, draft.inherits,
         state),
    )  # fmt: skip
    _changed(connection)
    return get(connection, int(cursor.lastrowid or 0))


def get(connection: Connection, view: int) -> Entry:
    """Return an entry by its id; it must be there."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM sql_view WHERE id = ?", (view,)).fetchone()
    return _entry(row)


def _entry(row: tuple[Any, ...]) -> Entry:
    fields = dict(zip(_COLUMNS.split(", "), row, strict=True))
    return Entry(**{**fields, "inherits": bool(fields["inherits"])})


def _changed(connection: Connection) -> None:
    """Let everybody who keeps the catalog in memory know that it is another now."""
    connection.execute("UPDATE sql_revision SET catalog = catalog + 1")


def edition(connection: Connection) -> int:
    """Return a number that is another after each change of the catalog."""
    return int(connection.execute("SELECT catalog FROM sql_revision").fetchone()[0])


def entries(connection: Connection) -> list[Entry]:
    """Return all entries, oldest first: what a view reads was created before it."""
    return [
        _entry(row) for row in connection.execute(f"SELECT {_COLUMNS} FROM sql_view ORDER BY id")
    ]


def find(connection: Connection, name: str, state: State = "live") -> Entry | None:
    """Return the version of a name that is in a state."""
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM sql_view WHERE name = ? AND state = ?", (name, state)
    ).fetchone()
    return _entry(row) if row else None


def twin(connection: Connection, name: str) -> str | None:
    """Return another name that SQLite takes for this one: it does not look at case."""
    row = connection.execute(
        "SELECT name FROM sql_view WHERE name = ?1 COLLATE NOCASE AND name <> ?1", (name,)
    ).fetchone()
    return str(row[0]) if row else None


def remove(connection: Connection, view: int) -> None:
    """Take an entry out, and all that is noted of it."""
    for table in ("sql_view_position", "sql_view_removed"):
        connection.execute(f"DELETE FROM {table} WHERE view = ?", (view,))
    connection.execute("DELETE FROM sql_view WHERE id = ?", (view,))
    _changed(connection)


def mark_broken(connection: Connection, view: int) -> None:
    """Note that a version cannot be kept up: this version of pulsebot does not understand it."""
    connection.execute("UPDATE OR REPLACE sql_view SET state = 'broken' WHERE id = ?", (view,))
    _changed(connection)


def make_live(connection: Connection, view: int) -> None:
    """Note that a version has caught up; there must be no other live one of its name."""
    connection.execute("DELETE FROM sql_view_position WHERE view = ?", (view,))
    connection.execute("UPDATE sql_view SET state = 'live' WHERE id = ?", (view,))
    _changed(connection)


def set_origin(connection: Connection, view: int, origin: str) -> None:
    """Note which file declares a version."""
    connection.execute("UPDATE sql_view SET origin = ? WHERE id = ?", (origin, view))


def note_since(connection: Connection, view: int, since_ms: int) -> None:
    """Note that a version has nothing from before a time; the latest such time counts."""
    connection.execute(
        "UPDATE sql_view SET since_ms = max(coalesce(since_ms, 0), ?) WHERE id = ?",
        (since_ms, view),
    )


def count_lost(connection: Connection, view: int, late: int, refused: int, failed: int) -> None:
    """Add to what a view could not take."""
    connection.execute(
        "UPDATE sql_view SET late = late + ?, refused = refused + ?, failed = failed + ?"
        " WHERE id = ?",
        (late, refused, failed, view),
    )


Reach = tuple[int, int]
"""The first offset that a backfill read in a partition, and the next one that it will."""


def save_reach(connection: Connection, view: int, reached: Mapping[Partition, Reach]) -> None:
    """Note how far a version that is being built has read."""
    connection.executemany(
        "INSERT OR REPLACE INTO sql_view_position VALUES (?, ?, ?, ?, ?)",
        [(view, *partition, *reach) for partition, reach in reached.items()],
    )


def reach(connection: Connection, view: int) -> dict[Partition, Reach]:
    """Return how far a version that is being built has read."""
    rows = connection.execute(
        "SELECT topic, partition, first_offset, next_offset FROM sql_view_position WHERE view = ?",
        (view,),
    )
    return {Partition(topic, number): (first, after) for topic, number, first, after in rows}


def set_content(connection: Connection, view: int, content: bytes) -> None:
    """Put a lookup table's rows in the place of those before."""
    connection.execute("UPDATE sql_view SET content = ? WHERE id = ?", (content, view))
    _changed(connection)


def next_revision(connection: Connection) -> int:
    """Return the revision of this transaction's changes: one more than the last one's."""
    row = connection.execute(
        "UPDATE sql_revision SET revision = revision + 1 RETURNING revision"
    ).fetchone()
    return int(row[0])


def revision(connection: Connection) -> int:
    """Return the revision of the latest change to any view."""
    return int(connection.execute("SELECT revision FROM sql_revision").fetchone()[0])
