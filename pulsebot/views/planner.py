"""The planner: the SELECT of a table, checked and compiled to keys, aggregates and outputs.

Everything that can be wrong with it is found here. This module must not know what is kept, or
where.
"""

import itertools
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from sqlglot import exp

from pulsebot.views import windowing
from pulsebot.views.aggregates.table import AGGREGATES
from pulsebot.views.datatype import Type, fits
from pulsebot.views.expression import (
    Attributes,
    Column,
    Compiled,
    Evaluate,
    Scope,
    compile_condition,
    compile_expression,
    every,
)
from pulsebot.views.naming import is_readable
from pulsebot.views.place import InvalidSql, Place, nearest
from pulsebot.views.plan import Applied, Output, TablePlan
from pulsebot.views.reading import CALLABLE, Reading, default_name
from pulsebot.views.source import Source
from pulsebot.views.statement import Query
from pulsebot.views.value import plain_number

MAX_OUTPUTS = 50
BOUNDS = ("WINDOWSTART", "WINDOWEND")
_TAKEN = {*BOUNDS, "WINDOWSTART_MS", "WINDOWEND_MS", "END"}
"""Columns that every view has; an index of its table is called END."""


def table_plan(query: Query, sources: Mapping[str, Source], zone: ZoneInfo) -> TablePlan:
    """Check and compile the SELECT of a table; `zone` is that of days unless it names one."""
    return _Planner(query, sources, zone).table()


class _Planner:
    def __init__(self, query: Query, sources: Mapping[str, Source], zone: ZoneInfo) -> None:
        self._query = query
        self._reading = reading = Reading(query, sources)
        self._select, self._source, self._scope = reading.select, reading.source, reading.scope
        self._zone = reading.zone(zone)
        self._check_window()
        self._groups = [self._ungrouped(g) for g in _parts(self._select.args.get("group"))]
        self._aggregates: list[Applied] = []
        self._arguments: list[Compiled] = []
        self._computed: dict[str, Column] = {}
        self._called: dict[exp.Anonymous, str] = {}

    def wrong(self, message: str, node: exp.Expr) -> InvalidSql:
        return self._reading.wrong(message, node)

    def _check_window(self) -> None:
        window = self._query.window
        if window is None and self._query.emit == "FINAL":
            raise self.wrong("EMIT FINAL needs a WINDOW: nothing else ever ends", self._select)
        if window is not None and (said := windowing.fault(window)):
            raise InvalidSql(said, window.place)

    def table(self) -> TablePlan:
        where = self._reading.where()
        keys = [compile_expression(group, self._scope) for group in self._groups]
        self._keep_keys(keys)
        outputs = [self._output(item) for item in self._items()]
        having = self._having()
        self._add_bounds()
        read = self._read([*keys, *self._arguments, *([where] if where else [])])
        return TablePlan(
            source=self._source,
            where=where.value if where else None,
            keys=tuple(_as_one(key) for key in keys),
            aggregates=tuple(self._aggregates),
            outputs=_named_apart([self._compiled_output(*output) for output in outputs]),
            having=self._compiled_having(having),
            window=self._query.window,
            zone=self._zone,
            final=self._query.emit == "FINAL",
            attributes=read,
        )

    def _keep_keys(self, keys: list[Compiled]) -> None:
        for index, (key, node) in enumerate(zip(keys, self._groups, strict=True)):
            if key.type in {Type.MAP, Type.JSON, Type.ARRAY}:
                raise self.wrong(f"cannot GROUP BY a {key.type}; take an element of it", node)
            self._computed[f"#key{index}"] = Column(f"#key{index}", key.type, _nth(index))

    def _items(self) -> list[exp.Expr]:
        items = list(self._select.expressions)
        if len(items) > MAX_OUTPUTS:
            raise self.wrong(f"{len(items)} columns; {MAX_OUTPUTS} at the most", self._select)
        for item in items:
            if isinstance(item, exp.Star) or (
                isinstance(item, exp.Column) and isinstance(item.this, exp.Star)
            ):
                raise self.wrong("a table needs its columns by name, not `*`", item)
        return [item for item in items if not _is_bound(item)]

    def _output(self, item: exp.Expr) -> tuple[str, exp.Expr, exp.Expr, bool]:
        """Return name, rewritten expression, original, and whether it is a key."""
        inner = item.this if isinstance(item, exp.Alias) else item
        name = item.alias if isinstance(item, exp.Alias) else default_name(inner)
        if name.startswith("_") or name.upper() in _TAKEN or not is_readable(name):
            raise self.wrong(f"a column cannot be called {name}; choose another name: … AS N", item)
        return name, self._rewritten(inner), inner, inner in self._groups

    def _rewritten(self, node: exp.Expr) -> exp.Expr:
        """Replace keys and aggregates by the computed columns that hold them."""
        if node in self._groups:
            return _computed_column(f"#key{self._groups.index(node)}")
        if isinstance(node, exp.Anonymous) and node.this in AGGREGATES:
            if node not in self._called:  # equal calls share one state
                self._called[node] = self._aggregate(node)
            return _computed_column(self._called[node])
        copied = node.copy()
        for key, value in node.args.items():
            if isinstance(value, exp.Expr):
                copied.set(key, self._rewritten(value))
            elif isinstance(value, list):
                copied.set(
                    key, [self._rewritten(v) if isinstance(v, exp.Expr) else v for v in value]
                )
        return copied

    def _aggregate(self, call: exp.Anonymous) -> str:
        name, arguments = str(call.this), list(call.expressions)
        if arguments and isinstance(arguments[0], exp.Distinct) and name == "COUNT":
            name, arguments = "COUNT_DISTINCT", list(arguments[0].expressions)
        kind = AGGREGATES[name]
        if any(a.find(exp.Anonymous, exp.Star) and self._holds_aggregate(a) for a in arguments):
            raise self.wrong(f"{name} cannot be applied to another aggregate", call)
        starred = name == "COUNT" and (not arguments or isinstance(arguments[0], exp.Star))
        compiled = None
        if not starred:
            if len(arguments) != 1 + kind.constants:
                extra = f" and {kind.constants} constant" if kind.constants else ""
                raise self.wrong(f"{name} takes one argument{extra}, not {len(arguments)}", call)
            compiled = compile_expression(arguments[0], self._scope)
            if not fits(compiled.type, kind.takes):
                raise self.wrong(f"{name} needs a {kind.takes}, not a {compiled.type}", call)
            self._arguments.append(compiled)
        try:
            aggregate = kind.make(*([self._constants(arguments[1:])] if kind.constants else []))
        except ValueError as error:
            raise self.wrong(f"{name}: {error}", call) from None
        column = f"#aggregate{len(self._aggregates)}"
        self._aggregates.append(
            Applied(
                aggregate,
                compiled.value if compiled else None,
                weighed=aggregate.weighed and not (compiled and compiled.weight),
            )
        )
        gives = kind.result(compiled.type) if compiled else Type.BIGINT
        index = len(self._groups) + len(self._aggregates) - 1
        self._computed[column] = Column(column, gives, _nth(index))
        return column

    def _holds_aggregate(self, node: exp.Expr) -> bool:
        return any(call.this in AGGREGATES for call in node.find_all(exp.Anonymous))

    def _constants(self, nodes: list[exp.Expr]) -> list[Any]:
        compiled = [compile_expression(node, self._scope) for node in nodes]
        for part, node in zip(compiled, nodes, strict=True):
            if not part.constant:
                raise self.wrong("expected a constant", node)
        return [part.value(None, 0) for part in compiled]

    def _having(self) -> tuple[exp.Expr, exp.Expr] | None:
        having = self._select.args.get("having")
        if having is None:
            return None
        meant = having.this.transform(self._selected)
        return self._rewritten(meant), meant

    def _add_bounds(self) -> None:
        if self._query.window:
            first = len(self._groups) + len(self._aggregates)
            for index, name in enumerate(BOUNDS):
                self._computed[name] = Column(name, Type.BIGINT, _nth(first + index))

    def _compiled_output(
        self,
        name: str,
        rewritten: exp.Expr,
        original: exp.Expr,
        is_key: bool,  # noqa: FBT001 - a row of `_output`
    ) -> Output:
        compiled = self._compile_result(rewritten, original)
        return Output(name, compiled.type, compiled.value, key=is_key)

    def _compiled_having(self, having: tuple[exp.Expr, exp.Expr] | None) -> Evaluate | None:
        if having is None:
            return None
        self._grouped_only(*having)
        scope = Scope(self._query.text, self._computed, {}, CALLABLE)
        return compile_condition(having[0], scope, "HAVING").value

    def _compile_result(self, rewritten: exp.Expr, original: exp.Expr) -> Compiled:
        self._grouped_only(rewritten, original)
        try:
            scope = Scope(self._query.text, self._computed, {}, CALLABLE)
            return compile_expression(rewritten, scope)
        except InvalidSql as error:
            if error.place > Place():
                raise
            raise self.wrong(error.message, original) from None  # what was rewritten has no place

    def _grouped_only(self, rewritten: exp.Expr, original: exp.Expr) -> None:
        for column in rewritten.find_all(exp.Column):
            if column.name not in self._computed:
                known = column.name in self._source.columns
                hint = "" if known else nearest(column.name, self._source.columns)
                fault = (
                    "stands neither in GROUP BY nor in an aggregate" if known else "is no column"
                )
                raise self.wrong(f"{column.name} {fault}{hint}", original)

    def _read(self, parts: list[Compiled]) -> Attributes:
        """Return the attributes that decide over a row, None where its place or time does too."""
        window = self._query.window
        by_minute = window is None or (
            window.kind != "SESSION" and window.grace is None and windowing.in_whole_minutes(window)
        )
        if not by_minute or any(applied.aggregate.ordered for applied in self._aggregates):
            return None
        return every([self._source.row_reads, *(part.attributes for part in parts)])

    def _ungrouped(self, node: exp.Expr) -> exp.Expr:
        return self._selected(node.this if isinstance(node, exp.Paren) else node)

    def _selected(self, node: exp.Expr) -> exp.Expr:
        """Return what GROUP BY and HAVING mean: an alias stands for the selected expression."""
        if isinstance(node, exp.Column) and node.name not in self._scope.columns:
            for item in self._select.expressions:
                if isinstance(item, exp.Alias) and item.alias == node.name:
                    meant: exp.Expr = item.this
                    return meant
        return node


def _as_one(key: Compiled) -> Evaluate:
    """Let equal numbers and truths of several types be one key, as they are one in a batch."""
    if key.type not in {Type.ANY, Type.DOUBLE}:
        return key.value
    value = key.value
    return lambda row, ms: plain_number(value(row, ms))


def _parts(group: exp.Expr | None) -> list[exp.Expr]:
    return list(group.expressions) if group else []


def _is_bound(item: exp.Expr) -> bool:
    return isinstance(item, exp.Column) and item.name in BOUNDS


def _computed_column(name: str) -> exp.Column:
    return exp.Column(this=exp.Identifier(this=name, quoted=True))


def _nth(index: int) -> Evaluate:
    return lambda row, _ms: row[index]


def _named_apart(outputs: list[Output]) -> tuple[Output, ...]:
    """Give further columns of one name a number; SQLite does not look at upper and lower case."""
    taken: set[str] = set()
    apart = []
    for output in outputs:
        names = (f"{output.name}_{count}" for count in itertools.count(2))
        name = next(n for n in itertools.chain([output.name], names) if n.upper() not in taken)
        taken.add(name.upper())
        apart.append(Output(name, output.type, output.value, key=output.key))
    return tuple(apart)
