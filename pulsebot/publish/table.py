"""A view's table in PostgreSQL: made, made to fit another version, and written to.

The table is never dropped for another version: it keeps its identity, so that grants, indexes
and views of others over it stay. All statements run in the caller's transaction.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from psycopg import AsyncConnection, sql

from pulsebot.publish import names
from pulsebot.publish.base import Change, Layout, Refused
from pulsebot.publish.cells import row_of
from pulsebot.views.datatype import Type

BOUNDS = ("windowstart", "windowend")

_TYPES: Mapping[Type, LiteralString] = {
    Type.BOOLEAN: "boolean",
    Type.BIGINT: "bigint",
    Type.DOUBLE: "double precision",
    Type.ARRAY: "jsonb",
    Type.MAP: "jsonb",
}
"""All others are text: what JSON holds may be a bare word."""

_MOMENT: LiteralString = "timestamp with time zone"


@dataclass(frozen=True, slots=True)
class Found:
    """What has the table's name already; `ours` if its primary key is ours."""

    columns: Mapping[str, str]
    ours: bool


class Table:
    """The table of one version of one view, by way of one connection."""

    def __init__(self, connection: AsyncConnection[Any], layout: Layout) -> None:
        self._connection = connection
        self.layout = layout
        self.name = names.folded(layout.view)
        self.columns = _columns(layout)
        self._row = row_of(layout)
        self._id = sql.Identifier(self.name)
        self._batch = sql.Identifier("pg_temp", f"pulsebot_batch_{layout.version}")
        others = [name for name in self.columns if name != names.ROW]
        self._fill = _copy(self._id, [names.ROW, *others])
        self._copy = _copy(self._batch, [names.ROW, "_gone", *others])
        self._delete = _delete(self._batch, self._id)
        self._upsert = _upsert(self._batch, self._id, self.columns)

    async def found(self) -> Found | None:
        """Look what has the name."""
        cursor = await self._connection.execute(_COLUMNS, {"name": self.name})
        rows = await cursor.fetchall()
        if not rows:
            return None
        keys = [name for name, _, is_key, _ in rows if is_key]
        return Found(
            {name: type_ for name, type_, _, _ in rows if name is not None},
            ours=keys == [names.ROW] and rows[0][3] == "r",
        )

    def fits(self, found: Found) -> bool:
        """Tell whether what is there has all columns of this version."""
        return all(found.columns.get(name) == type_ for name, type_ in self.columns.items())

    async def make(self, found: Found | None) -> None:
        """Create the table, or empty it and give it the columns of this version.

        `index` is for when the rows are in it.
        """
        if found is None:
            await self._execute(
                sql.SQL("CREATE TABLE {} ({}, PRIMARY KEY ({}))").format(
                    self._id,
                    sql.SQL(", ").join(_defined(*column) for column in self.columns.items()),
                    sql.Identifier(names.ROW),
                )
            )
            return
        await self._execute(sql.SQL("DELETE FROM {}").format(self._id))
        if changes := self._alterations(found.columns):
            await self._execute(
                sql.SQL("ALTER TABLE {} {}").format(self._id, sql.SQL(", ").join(changes))
            )

    def _alterations(self, there: Mapping[str, str]) -> list[sql.Composed]:
        drop, add = sql.SQL("DROP COLUMN {}"), sql.SQL("ADD COLUMN {}")
        kept = {name for name, type_ in self.columns.items() if there.get(name) == type_}
        dropped = [drop.format(sql.Identifier(name)) for name in there if name not in kept]
        added = [
            add.format(_defined(*column))
            for column in self.columns.items()
            if column[0] not in kept
        ]
        return dropped + added

    async def index(self, found: Found | None) -> None:
        """Make the moments of windows quick to find, where the column is new."""
        if BOUNDS[0] in self.columns and (found is None or BOUNDS[0] not in found.columns):
            await self._execute(
                sql.SQL("CREATE INDEX ON {} ({})").format(self._id, sql.Identifier(BOUNDS[0]))
            )

    async def prepare(self) -> None:
        """Make the temporary table through which batches go; once for each connection."""
        await self._execute(sql.SQL("DROP TABLE IF EXISTS {}").format(self._batch))
        await self._execute(
            sql.SQL(
                "CREATE TEMPORARY TABLE {} (LIKE {}, _gone boolean NOT NULL) ON COMMIT DELETE ROWS"
            ).format(sql.Identifier(f"pulsebot_batch_{self.layout.version}"), self._id)
        )

    async def fill(self, changes: Iterable[Change]) -> None:
        """Write rows that are not there yet."""
        async with self._connection.cursor().copy(self._fill) as copy:
            for change in changes:
                if change.values is not None:
                    row_id, _, *values = self._row(change)
                    await copy.write_row((row_id, *values))

    async def write(self, changes: Sequence[Change]) -> None:
        """Write rows, each in the place of what is there of it."""
        cursor = self._connection.cursor()
        async with cursor.copy(self._copy) as copy:
            for change in changes:
                await copy.write_row(self._row(change))
        if any(change.values is None for change in changes):
            await cursor.execute(self._delete)
        await cursor.execute(self._upsert)

    async def clear(self) -> None:
        """Make room for another `write` in the same transaction."""
        await self._execute(sql.SQL("TRUNCATE {}").format(self._batch))

    async def _execute(self, statement: sql.Composed) -> None:
        await self._connection.execute(statement)


async def drop(connection: AsyncConnection[Any], name: str) -> None:
    """Drop a table; nothing else goes with it."""
    await connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(name)))


def clash(view: str, name: str) -> Refused:
    """Return the word on a name that somebody else has taken."""
    return Refused(
        f"there is something called {name} in PostgreSQL that is not pulsebot's;"
        f" rename or drop it, or create {view} under another name"
    )


def _columns(layout: Layout) -> dict[str, LiteralString]:
    """Return the table's columns with their types, as PostgreSQL writes those."""
    seen = names.columns([*BOUNDS, *(column.name for column in layout.columns)])
    types = [_TYPES.get(column.type, "text") for column in layout.columns]
    columns: dict[str, LiteralString] = {
        names.ROW: "uuid",
        **dict(zip(seen[2:], types, strict=True)),
    }
    return columns | (dict.fromkeys(BOUNDS, _MOMENT) if layout.windowed else {})


def _copy(table: sql.Identifier, columns: Iterable[str]) -> sql.Composed:
    return sql.SQL("COPY {} ({}) FROM STDIN").format(table, _list(columns))


def _delete(batch: sql.Identifier, table: sql.Identifier) -> sql.Composed:
    return sql.SQL(
        "DELETE FROM {table} USING {batch} AS batch"
        " WHERE batch._gone AND {table}.{row} = batch.{row}"
    ).format(table=table, batch=batch, row=sql.Identifier(names.ROW))


def _upsert(batch: sql.Identifier, table: sql.Identifier, columns: Iterable[str]) -> sql.Composed:
    change = sql.SQL("{0} = excluded.{0}")
    changes = [change.format(sql.Identifier(name)) for name in columns if name != names.ROW]
    return sql.SQL(
        "INSERT INTO {table} ({listed}) SELECT {listed} FROM {batch} WHERE NOT _gone"
        " ON CONFLICT ({row}) DO UPDATE SET {changes}"
    ).format(
        table=table,
        batch=batch,
        listed=_list(columns),
        row=sql.Identifier(names.ROW),
        changes=sql.SQL(", ").join(changes),
    )


def _defined(name: str, type_: LiteralString) -> sql.Composed:
    return sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(type_))


def _list(columns: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


_COLUMNS = """
SELECT attname, format_type(atttypid, NULL), coalesce(attnum = ANY (indkey), false), relkind::text
FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = relnamespace
LEFT JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
LEFT JOIN pg_index ON indrelid = pg_class.oid AND indisprimary
WHERE relname = %(name)s AND nspname = current_schema()
"""
