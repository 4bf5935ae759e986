"""Progress: how far each view is, told in a table beside the views' tables.

It changes only in the transactions that write rows, so what it says is always true of them.
"""

from dataclasses import dataclass
from typing import Any, LiteralString

from psycopg import AsyncConnection

from pulsebot.publish.base import Overtaken, Spot

Connection = AsyncConnection[Any]

_CREATE = """
CREATE TABLE IF NOT EXISTS pulsebot_progress (
    view text PRIMARY KEY, relation text NOT NULL, version bigint NOT NULL, epoch text NOT NULL,
    revision bigint NOT NULL, key text NOT NULL, start_ms bigint NOT NULL,
    at timestamp with time zone NOT NULL
)
"""

_SELECT: LiteralString = (
    "SELECT view, relation, version, epoch, revision, key, start_ms FROM pulsebot_progress "
)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the table of a view is: up to a spot of a version, written in an epoch."""

    view: str
    relation: str
    version: int
    epoch: str
    spot: Spot


async def prepare(connection: Connection) -> None:
    """Create the table where it is missing."""
    there = await connection.execute("SELECT to_regclass('pulsebot_progress')")
    if (await there.fetchone()) == (None,):
        await connection.execute(_CREATE)


async def all_of(connection: Connection) -> list[Progress]:
    """Return how far all views are that were ever published here and not dropped."""
    cursor = await connection.execute(_SELECT + "ORDER BY view")
    return [_progress(row) for row in await cursor.fetchall()]


async def locked(connection: Connection, view: str) -> Progress | None:
    """Return how far a view is; nobody else can write that until the transaction ends."""
    cursor = await connection.execute(_SELECT + "WHERE view = %s FOR UPDATE", (view,))
    row = await cursor.fetchone()
    return _progress(row) if row else None


async def enter(connection: Connection, progress: Progress) -> None:
    """Write how far a view is, whatever was said of it before."""
    await connection.execute(
        "INSERT INTO pulsebot_progress VALUES (%s, %s, %s, %s, %s, %s, %s, now())"
        " ON CONFLICT (view) DO UPDATE SET relation = excluded.relation,"
        " version = excluded.version, epoch = excluded.epoch, revision = excluded.revision,"
        " key = excluded.key, start_ms = excluded.start_ms, at = excluded.at",
        _values(progress),
    )


async def move(connection: Connection, before: Progress, after: Progress) -> None:
    """Go on from one place to the next; raises Overtaken where it is not at the first."""
    cursor = await connection.execute(
        "UPDATE pulsebot_progress"
        " SET epoch = %s, revision = %s, key = %s, start_ms = %s, at = now()"
        " WHERE view = %s AND relation = %s AND version = %s AND epoch = %s AND revision = %s"
        " AND key = %s AND start_ms = %s",
        (after.epoch, *after.spot, *_values(before)),
    )
    if cursor.rowcount != 1:
        raise Overtaken(f"somebody else has written to {before.relation}")


async def remove(connection: Connection, view: str) -> None:
    """Forget a view."""
    await connection.execute("DELETE FROM pulsebot_progress WHERE view = %s", (view,))


def _values(progress: Progress) -> tuple[Any, ...]:
    version = progress.version
    return (progress.view, progress.relation, version, progress.epoch, *progress.spot)


def _progress(row: tuple[Any, ...]) -> Progress:
    view, relation, version, epoch, *spot = row
    return Progress(view, relation, version, epoch, Spot(*spot))
