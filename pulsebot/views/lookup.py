"""Lookup tables: what is known of a service (its team, tier, runbook), for streams to join.

`CREATE TABLE TEAMS (SERVICE_ID STRING PRIMARY KEY, TEAM STRING) WITH (FILE = 'teams.csv')`. The
rows are a value here; who reads the file is `lookupfile`. A changed file counts for events from
then on: what was computed before stays as it is.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from pulsebot.views.datatype import SPELLINGS, Type
from pulsebot.views.expression import Column, Compiled, Evaluate, every
from pulsebot.views.place import InvalidSql, nearest
from pulsebot.views.source import Source
from pulsebot.views.statement import ColumnDefinition, Create

OPTIONS = ("FILE",)
_TYPES = frozenset({Type.STRING, Type.BIGINT, Type.DOUBLE, Type.BOOLEAN})

Rows = Iterable[Mapping[str, Any]]


def is_lookup(create: Create) -> bool:
    """Tell whether a statement declares a lookup table."""
    return create.kind == "TABLE" and create.query is None


def file_of(create: Create) -> str:
    """Return the file that a declaration names; checks all its options."""
    for option in create.options:
        if option not in OPTIONS:
            known = nearest(option, OPTIONS)
            raise InvalidSql(f"there is no option {option}{known}", create.name.place)
    file = create.options.get("FILE")
    if not create.columns or not isinstance(file, str) or not file:
        raise InvalidSql(
            "expected AS SELECT …, or columns and WITH (FILE = 'teams.csv')", create.name.place
        )
    return file


def types_of(create: Create) -> dict[str, Type]:
    """Return the declared columns; raises InvalidSql at the one that cannot be."""
    found: dict[str, Type] = {}
    for column in create.columns:
        kind = SPELLINGS.get(column.type)
        if kind not in _TYPES:
            known = nearest(column.type, (name for name, t in SPELLINGS.items() if t in _TYPES))
            raise InvalidSql(f"there is no type {column.type[:60]} here{known}", column.name.place)
        if column.name.text in found:
            raise InvalidSql(f"{column.name} is there twice", column.name.place)
        found[column.name.text] = kind
    return found


def key_of(create: Create) -> ColumnDefinition:
    """Return the one column by which rows are found."""
    keys = [column for column in create.columns if column.key]
    if len(keys) != 1:
        raise InvalidSql(
            "exactly one column must be the key: SERVICE_ID STRING PRIMARY KEY", create.name.place
        )
    return keys[0]


def lookup_source(create: Create, rows: Rows) -> Source:
    """Return the table as a source that can only be joined."""
    file_of(create)
    key = key_of(create).name.text
    columns = {
        name: Column(name, kind, lambda _row, _ms: None) for name, kind in types_of(create).items()
    }
    known = {row[key]: dict(row) for row in rows}
    return Source(create.name.text, None, columns, lookup=known, key=key)


def joined(source: Source, lookup: Source, by: Compiled, *, inner: bool) -> Source:
    """Return a stream with a lookup's columns beside its own; `by` gives the key of a row.

    A name that both have means the stream's column. An inner join leaves out rows whose key
    is not in the table.
    """
    own = joined_columns(lookup, by)
    keep = source.row
    if inner:
        keep = _only_known(source.row, by.value, lookup.lookup or {})
    return replace(
        source,
        columns={**own, **source.columns},
        row=keep,
        row_reads=every([source.row_reads, by.attributes]) if inner else source.row_reads,
        parents=(*source.parents, lookup.name),
    )


def joined_columns(lookup: Source, by: Compiled) -> Mapping[str, Column]:
    """Return the lookup's columns as they are read for a row of the stream."""
    known = lookup.lookup or {}
    return {
        name: Column(name, column.type, _reading(known, by.value, name), by.attributes)
        for name, column in lookup.columns.items()
    }


def _reading(known: Mapping[Any, Mapping[str, Any]], by: Evaluate, name: str) -> Evaluate:
    def read(row: Any, ms: int) -> Any:
        found = known.get(by(row, ms))
        return None if found is None else found[name]

    return read


def _only_known(earlier: Evaluate | None, by: Evaluate, known: Mapping[Any, Any]) -> Evaluate:
    def keep(row: Any, ms: int) -> Any:
        if earlier is not None and earlier(row, ms) is None:
            return None
        return row if by(row, ms) in known else None

    return keep
