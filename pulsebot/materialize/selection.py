"""Selections: a SELECT over a view is checked, and put into SQLite's words.

Only what is understood here goes on: every kind of part that may stand in a query is in one
list. Times of windows may be compared with texts, which mean the view's own zone. This module
must not run anything.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlglot import ErrorLevel, exp
from sqlglot.errors import SqlglotError

from pulsebot.civil import instant
from pulsebot.materialize.relation import BOUNDS, Relation
from pulsebot.store import viewtables
from pulsebot.store.viewchanges import Wanted
from pulsebot.views.functions.table import FUNCTIONS
from pulsebot.views.place import InvalidSql, nearest
from pulsebot.views.source import Source
from pulsebot.views.statement import Query

AGGREGATES = frozenset({"AVG", "COUNT", "GROUP_CONCAT", "MAX", "MIN", "SUM", "TOTAL"})
SCALARS = frozenset({"DATE", "IIF", "INSTR", "JSON_EXTRACT", "NULLIF", "STRFTIME", "TYPEOF"})
"""What SQLite computes itself, beside what statements of views may use."""

_PARTS = frozenset(
    {
        exp.Select, exp.Star, exp.Column, exp.Identifier, exp.Var, exp.Table, exp.TableAlias,
        exp.Alias, exp.From, exp.Where, exp.Group, exp.Having, exp.Order, exp.Ordered, exp.Limit,
        exp.Literal, exp.Null, exp.Boolean, exp.Paren, exp.Anonymous, exp.Distinct,
        exp.Case, exp.If, exp.Cast, exp.DataType, exp.JSONExtract, exp.Bracket, exp.DPipe,
        exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Is, exp.Between, exp.In,
        exp.Like, exp.Escape, exp.And, exp.Or, exp.Not,
        exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Neg,
    }
)  # fmt: skip
_CLAUSES = frozenset(
    {"expressions", "from_", "where", "group", "having", "order", "limit", "distinct", "kind"}
)
_COMPARED = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between, exp.In)


@dataclass(frozen=True, slots=True)
class Selection:
    """A query ready to run: SQLite's text of it, and what it reads."""

    sql: str
    relation: Relation


@dataclass(frozen=True, slots=True)
class Following:
    """A query whose answer goes on: the names of its columns, and what is told of a row."""

    relation: Relation
    columns: tuple[str, ...]
    wanted: Wanted


def reads(query: Query) -> tuple[str, exp.Table]:
    """Return the name that a query reads, and where; raises InvalidSql if it is not one."""
    found = query.select.args.get("from_")
    table = found.this if found else None
    if (
        not (isinstance(table, exp.Table) and isinstance(table.this, exp.Identifier))
        or table.db
        or query.select.args.get("joins")
    ):
        raise InvalidSql("a query reads one view: SELECT … FROM view", query.place(query.select))
    return table.name if table.this.args.get("quoted") else table.name.upper(), table


def unknown(query: Query, names: Iterable[str], sources: Mapping[str, Source]) -> InvalidSql:
    """Return the error about a name that is no view; `sources` are what a view may read."""
    name, table = reads(query)
    if (source := sources.get(name)) is None:
        said = f"there is no view {name}{nearest(name, names)}"
    elif source.lookup is not None:
        said = f"{name} is a lookup table, to JOIN a stream with; its file has its rows"
    else:
        said = f"{name} is a stream: CREATE TABLE of it, or follow it by EMIT CHANGES"
    return InvalidSql(said, query.place(table))


def selection(query: Query, relation: Relation) -> Selection:
    """Check a query and translate it for SQLite; raises InvalidSql."""
    select = _translated(query, relation)
    select.args["from_"].this.set("this", _identifier(relation.name))
    return Selection(_rendered(select, query), relation)


def following(query: Query, relation: Relation) -> Following:
    """Check and translate a query that tells rows as they change; raises InvalidSql."""
    select = _translated(query, relation)
    for name in ("group", "having", "order", "distinct"):
        if select.args.get(name):
            raise InvalidSql(
                f"{name.upper()} makes no sense with EMIT CHANGES: rows are told as they change",
                query.place(select),
            )
    for call in select.find_all(exp.Anonymous):
        if call.this in AGGREGATES:
            raise InvalidSql(
                f"{call.this} cannot be told row by row; create a table of it", query.place(call)
            )
    visible = {name: viewtables.quoted(name) for name in relation.columns}
    if relation.windowed:
        visible |= viewtables.MOMENTS
    where = select.args.get("where")
    items = [_rendered(item, query) for item in select.expressions]
    wanted = Wanted(
        relation.entry.id,
        select.args["from_"].this.alias or relation.name,
        tuple(visible.items()),
        ", ".join(items),
        f"({_rendered(where.this, query)})" if where else "1",
    )
    columns = tuple(item.alias_or_name or _rendered(item, query) for item in select.expressions)
    return Following(relation, columns, wanted)


def _translated(query: Query, relation: Relation) -> exp.Select:
    _check(query)
    select = query.select.copy()
    _check_names(select, query, relation)
    for comparison in list(select.find_all(*_COMPARED)):
        _compare_times(comparison, query, relation)
    for ordered in select.find_all(exp.Ordered):
        _in_milliseconds(ordered, relation)
    _name_columns(select, relation)
    for kind, translate in _MEANT.items():
        for part in reversed(list(select.find_all(kind))):  # inner ones first
            translate(part)
    return select


def _keys(part: exp.Expr) -> list[exp.Expr]:
    found = part.expressions if isinstance(part, exp.Bracket) else [part.args.get("expression")]
    return [key for key in found if key]


def _element(part: exp.Expr) -> None:
    """Take an element out of a list or map, which views keep as JSON: a text, not JSON again."""
    [key] = _keys(part)
    if isinstance(key, exp.Literal) and key.is_int:
        key = exp.Literal.number(int(key.this) - 1)  # ours count from 1, SQLite's from 0
    part.replace(exp.JSONExtractScalar(this=part.this.copy(), expression=key.copy()))


def _whole(part: exp.Expr) -> None:
    """Let whole numbers give a whole number, as views do."""
    part.set("typed", True)


def _escaping(part: exp.Expr) -> None:
    r"""Let `\` make the next character plain, as views do."""
    if not isinstance(part.parent, exp.Escape):
        escape = exp.Literal.string("\\")
        part.replace(exp.Escape(this=part.copy(), expression=escape))


_MEANT: Mapping[type[exp.Expr], Callable[[exp.Expr], None]] = {
    exp.JSONExtract: _element,
    exp.Bracket: _element,
    exp.Div: _whole,
    exp.Like: _escaping,
}
"""What SQLite understands otherwise than views do."""


def _rendered(part: exp.Expr, query: Query) -> str:
    """Return SQLite's text of a part of a query."""
    try:
        return str(part.sql(dialect="sqlite", unsupported_level=ErrorLevel.RAISE))
    except (SqlglotError, ValueError, RecursionError) as error:
        raise InvalidSql(f"cannot be asked: {error}", query.place(query.select)) from None


def _check(query: Query) -> None:
    """Refuse whatever is not on the lists."""
    select = query.select
    if query.window is not None:
        raise InvalidSql("WINDOW belongs into CREATE TABLE", query.window.place)
    if query.emit == "FINAL":
        raise InvalidSql("EMIT FINAL belongs into CREATE TABLE", query.place(select))
    for part in select.walk():
        if part is not select and isinstance(part, exp.Query):
            raise InvalidSql("sub-queries are not supported", query.place(part))
        if type(part) not in _PARTS:
            word = type(part).__name__.upper()
            raise InvalidSql(f"{word} is not supported in a query", query.place(part))
        if isinstance(part, exp.Anonymous):
            _check_function(part, query)
        if isinstance(part, exp.JSONExtract | exp.Bracket) and len(_keys(part)) != 1:
            raise InvalidSql("expected one element: TAGS['env'], DATA->'field'", query.place(part))
    if other := [name for name, value in select.args.items() if value and name not in _CLAUSES]:
        raise InvalidSql(f"{other[0].upper()} is not supported in a query", query.place(select))
    limit = select.args.get("limit")
    if limit and not (isinstance(limit.expression, exp.Literal) and limit.expression.is_int):
        raise InvalidSql("LIMIT needs a whole number", query.place(limit))


def _check_function(call: exp.Anonymous, query: Query) -> None:
    known = AGGREGATES | SCALARS | FUNCTIONS.keys()
    name = str(call.this).upper()
    if name not in known:
        raise InvalidSql(
            f"there is no function {name} for queries{nearest(name, sorted(known))}",
            query.place(call),
        )
    call.set("this", name)


def _check_names(select: exp.Select, query: Query, relation: Relation) -> None:
    aliases = [item.alias for item in select.expressions if isinstance(item, exp.Alias)]
    hidden = list(BOUNDS.values()) if relation.windowed else []
    known = {name.upper() for name in (*relation.columns, *hidden, *aliases)}
    for column in select.find_all(exp.Column):
        starred = isinstance(column.this, exp.Star)
        if not starred and column.name.upper() not in known:
            raise InvalidSql(
                f"{relation.name} has no column {column.name}"
                f"{nearest(column.name, relation.columns)}",
                query.place(column),
            )


def _compare_times(comparison: exp.Expr, query: Query, relation: Relation) -> None:
    """Turn `WINDOWSTART >= '2026-11-20'` into a comparison of milliseconds."""
    operands = [_bare(operand) for operand in _operands(comparison)]
    if not any(_is_bound(operand, relation) for operand in operands):
        return
    for operand in operands:
        if _is_bound(operand, relation):
            operand.set("this", _identifier(BOUNDS[operand.name.upper()]))
        elif isinstance(operand, exp.Literal) and operand.is_string:
            operand.replace(exp.Literal.number(_instant(operand, query, relation)))


def _operands(comparison: exp.Expr) -> list[exp.Expr]:
    named = [comparison.args.get(name) for name in ("this", "expression", "low", "high")]
    return [operand for operand in named if operand] + list(comparison.expressions)


def _bare(operand: exp.Expr) -> exp.Expr:
    while isinstance(operand, exp.Paren):
        operand = operand.this
    return operand


def _is_bound(part: exp.Expr, relation: Relation) -> bool:
    return isinstance(part, exp.Column) and part.name.upper() in BOUNDS and relation.windowed


def _instant(literal: exp.Literal, query: Query, relation: Relation) -> int:
    try:
        moment = datetime.fromisoformat(literal.this.strip())
        if moment.tzinfo is not None:
            return round(moment.timestamp() * 1000)
        return instant(moment, relation.zone)
    except (ValueError, OverflowError):
        raise InvalidSql(
            f"{literal.this[:50]!r} is no time; write '2026-11-20' or '2026-11-20T14:00+01:00'",
            query.place(literal),
        ) from None


def _in_milliseconds(ordered: exp.Ordered, relation: Relation) -> None:
    """Order windows by time: their texts fall out of order where clocks are set back."""
    by = _bare(ordered.this)
    if _is_bound(by, relation):
        by.set("this", _identifier(BOUNDS[by.name.upper()]))


def _name_columns(select: exp.Select, relation: Relation) -> None:
    """Give what is selected the names that the view has for it; `*` is all of them."""
    proper: Mapping[str, str] = {name.upper(): name for name in relation.columns}
    items: list[exp.Expr] = []
    for item in select.expressions:
        starred = isinstance(item, exp.Column) and isinstance(item.this, exp.Star)
        if starred or isinstance(item, exp.Star):
            items += [exp.Column(this=_identifier(name)) for name in relation.columns]
        elif isinstance(item, exp.Column) and item.name.upper() in proper:
            items.append(exp.Alias(this=item, alias=_identifier(proper[item.name.upper()])))
        else:
            items.append(item)
    select.set("expressions", items)


def _identifier(name: str) -> exp.Identifier:
    return exp.Identifier(this=name, quoted=True)
