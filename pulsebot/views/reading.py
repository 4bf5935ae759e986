"""Readings: what tables and streams have in common, their FROM, WHERE and what is refused.

A reading has the SELECT's tree with names in the case that counts, its source, and the scope
in which its expressions are compiled.
"""

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from sqlglot import exp

from pulsebot.civil import zone_of
from pulsebot.errors import InvalidInput
from pulsebot.views.aggregates.table import AGGREGATES
from pulsebot.views.expression import (
    Column,
    Compiled,
    Scope,
    compile_condition,
    compile_expression,
)
from pulsebot.views.functions.table import FUNCTIONS
from pulsebot.views.lookup import joined, joined_columns
from pulsebot.views.place import InvalidSql, nearest
from pulsebot.views.source import Source
from pulsebot.views.statement import Query

CALLABLE = (*AGGREGATES, *FUNCTIONS)
"""Names of all functions, to find the one that was meant."""

_REFUSED = {
    "laterals": "LATERAL is not supported",
    "distinct": "SELECT DISTINCT is not supported; use GROUP BY",
    "order": "a view has no order; put ORDER BY into the query that reads it",
    "limit": "a view has no LIMIT; put it into the query that reads it",
    "with_": "WITH is not supported; create a stream instead",
}


class Reading:
    """A SELECT over one stream; raises InvalidSql where it is none."""

    def __init__(self, query: Query, sources: Mapping[str, Source]) -> None:
        self.query = query
        self.select = _normalized(query.select)
        self._refuse_unsupported()
        self.source, alias = self._from(sources)
        self.scope = self._scope(dict.fromkeys((self.source.name, alias), self.source.columns))
        for join in self.select.args.get("joins") or ():
            self._join(join, sources)

    def _scope(self, others: Mapping[str, Mapping[str, Column]]) -> Scope:
        return Scope(self.query.text, self.source.columns, others, CALLABLE)

    def wrong(self, message: str, node: exp.Expr) -> InvalidSql:
        """Return the error about a part of the SELECT."""
        return InvalidSql(message, self.query.place(node))

    def where(self) -> Compiled | None:
        """Compile WHERE, None where there is none."""
        where = self.select.args.get("where")
        if where is None:
            return None
        for call in where.find_all(exp.Anonymous):
            if call.this in AGGREGATES:
                raise self.wrong(f"{call.this} cannot stand in WHERE; use HAVING", call)
        return compile_condition(where.this, self.scope, "WHERE")

    def zone(self, zone: ZoneInfo) -> ZoneInfo:
        """Return the zone of days: that of the window clause, else the one given."""
        clause = self.query.window
        if clause is None or clause.zone is None:
            return zone
        try:
            return zone_of(clause.zone)
        except InvalidInput as error:
            raise InvalidSql(str(error), clause.place) from None

    def _from(self, sources: Mapping[str, Source]) -> tuple[Source, str]:
        found = self.select.args.get("from_")
        if found is None:
            raise self.wrong("FROM is missing: SELECT … FROM SERVICE_TRIGGER", self.select)
        table = found.this
        if not isinstance(table, exp.Table) or table.db:
            raise self.wrong(
                "FROM needs the name of a stream; sub-queries are not supported", found
            )
        source = self._named(table, sources)
        if source.lookup is not None:
            raise self.wrong(f"{source.name} is a lookup table: FROM a stream JOIN it", table)
        return source, table.alias or source.name

    def _named(self, table: exp.Table, sources: Mapping[str, Source]) -> Source:
        source = sources.get(table.name)
        if source is None:
            raise self.wrong(
                f"there is no stream {table.name}{nearest(table.name, sources)}", table
            )
        return source

    def _join(self, join: exp.Join, sources: Mapping[str, Source]) -> None:
        """Put a lookup table's columns beside those of the stream."""
        table, side = join.this, str(join.args.get("side") or "INNER").upper()
        if not isinstance(table, exp.Table) or side not in {"LEFT", "INNER"}:
            raise self.wrong("only JOIN and LEFT JOIN with a lookup table are supported", join)
        lookup = self._named(table, sources)
        if lookup.lookup is None:
            raise self.wrong(
                f"{lookup.name} is a stream; only lookup tables can be joined: CREATE TABLE"
                " TEAMS (SERVICE_ID STRING PRIMARY KEY, TEAM STRING) WITH (FILE = 'teams.csv')",
                table,
            )
        alias = table.alias or lookup.name
        by = self._key_of_join(join, lookup, {lookup.name, alias})
        self.source = joined(self.source, lookup, by, inner=side == "INNER")
        columns = joined_columns(lookup, by)
        self.scope = self._scope({**self.scope.others, lookup.name: columns, alias: columns})

    def _key_of_join(self, join: exp.Join, lookup: Source, names: set[str]) -> Compiled:
        """Compile the side of ON that is not the lookup's key."""
        on = join.args.get("on")
        if isinstance(on, exp.EQ):
            for key, other in ((on.left, on.right), (on.right, on.left)):
                if isinstance(key, exp.Column) and key.name == lookup.key and key.table in names:
                    return compile_expression(other, self.scope)
        raise self.wrong(
            f"expected ON … = {lookup.name}.{lookup.key}: a lookup is joined by its key",
            on if isinstance(on, exp.Expr) else join,
        )

    def _refuse_unsupported(self) -> None:
        for name, said in _REFUSED.items():
            if found := self.select.args.get(name):
                node = found[0] if isinstance(found, list) else found
                place = node if isinstance(node, exp.Expr) else self.select
                raise self.wrong(said, place)


def _normalized(select: exp.Select) -> exp.Select:
    """Return the tree with names and functions in the case that counts."""
    copied: exp.Select = select.copy()
    for node in copied.walk():
        if isinstance(node, exp.Identifier) and not node.args.get("quoted"):
            node.set("this", node.this.upper())
        elif isinstance(node, exp.Anonymous):
            node.set("this", str(node.this).upper())
    return copied


def default_name(node: exp.Expr) -> str:
    """Return a readable name for a column without one: COUNT, SUM_DURATION_MS, ENV."""
    if isinstance(node, exp.Column):
        return node.name
    if isinstance(node, exp.Bracket | exp.JSONExtract):
        key = node.expressions[0] if isinstance(node, exp.Bracket) else node.expression
        return _word(key.name) or "ELEMENT"
    if isinstance(node, exp.Anonymous):
        named = [default_name(a) for a in node.expressions if isinstance(a, exp.Column)]
        return "_".join([str(node.this), *named])
    return "VALUE"


def _word(text: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in text.upper()).strip("_")[:60]
