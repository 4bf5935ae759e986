"""Streams of streams: a SELECT without aggregates becomes a further source of rows."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlglot import exp

from pulsebot.views.aggregates.table import AGGREGATES
from pulsebot.views.expression import Column, Compiled, Evaluate, compile_expression, every
from pulsebot.views.reading import Reading, default_name
from pulsebot.views.source import Source
from pulsebot.views.statement import Query


def stream_source(name: str, query: Query, sources: Mapping[str, Source]) -> Source:
    """Check and compile the SELECT of a stream: filtered and mapped rows of another."""
    reading = Reading(query, sources)
    if reading.select.args.get("group") or query.window or reading.select.args.get("having"):
        raise reading.wrong(
            "a stream has no GROUP BY, WINDOW or HAVING; create a table", reading.select
        )
    where = reading.where()
    parts: list[tuple[str, Compiled]] = []
    for item in reading.select.expressions:
        if isinstance(item, exp.Star):
            parts += [
                (column.name, Compiled(column.type, column.value, frozenset({column})))
                for column in reading.source.columns.values()
            ]
            continue
        inner = item.this if isinstance(item, exp.Alias) else item
        if isinstance(inner, exp.Anonymous) and inner.this in AGGREGATES:
            raise reading.wrong("a stream has no aggregates; create a table", inner)
        title = item.alias if isinstance(item, exp.Alias) else default_name(inner)
        parts.append((title, compile_expression(inner, reading.scope)))
    return _derived(name, reading.source, where, parts)


def _derived(
    name: str, source: Source, where: Compiled | None, parts: list[tuple[str, Compiled]]
) -> Source:
    """Return the source of a stream: its rows are those of its parent that pass, not copied."""
    columns = {
        title: Column(title, part.type, part.value, part.attributes, weight=part.weight)
        for title, part in parts
    }
    keep = _keeping(source.row, where.value if where else None)
    return replace(
        source,
        name=name,
        columns=columns,
        row=keep,
        row_reads=every([source.row_reads, where.attributes if where else frozenset()]),
        parents=(*source.parents, source.name),
    )


def _keeping(earlier: Evaluate | None, test: Evaluate | None) -> Evaluate | None:
    if test is None:
        return earlier
    if earlier is None:
        return lambda row, ms: row if test(row, ms) is True else None

    def keep(row: Any, ms: int) -> Any:
        kept = earlier(row, ms)
        return kept if kept is not None and test(kept, ms) is True else None

    return keep
