"""Expressions: compiled once into closures over a row and its time, with types checked.

A closure takes `(row, time_ms)` and gives a value; None is SQL's NULL and behaves as SQL says.
This module must not know where rows come from: a `Scope` names the columns.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from pulsebot.errors import InvalidInput
from pulsebot.views import operators
from pulsebot.views.datatype import SPELLINGS, Type, common, fits
from pulsebot.views.functions.base import Check, Function
from pulsebot.views.functions.casts import conversion
from pulsebot.views.functions.table import CHANGING, FUNCTIONS
from pulsebot.views.place import InvalidSql, Place, nearest
from pulsebot.views.value import MAX_BIGINT, Value

Evaluate = Callable[[Any, int], Value]

Attributes = frozenset[str] | None
"""Names of attributes by which events may be grouped before they are counted."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a source of rows.

    `attributes` are those of an event that its value depends on, None where it may differ
    between events that agree in all that they are grouped by. A `weight` tells for how many
    equal events an event stands: what is computed from it must not be weighed again.
    """

    name: str
    type: Type
    value: Evaluate
    attributes: Attributes = None
    weight: bool = False


@dataclass(frozen=True, slots=True)
class Compiled:
    """An expression ready to be evaluated: its type, and the columns it reads."""

    type: Type
    value: Evaluate
    columns: frozenset[Column] = frozenset()
    constant: bool = False

    @property
    def attributes(self) -> Attributes:
        """What of an event it depends on; None where it may differ within a group of events."""
        return every(column.attributes for column in self.columns)

    @property
    def weight(self) -> bool:
        """Whether it tells, or is computed from, how many events an event stands for."""
        return any(column.weight for column in self.columns)


def every(parts: Iterable[Attributes]) -> Attributes:
    """Return all attributes together, None where one of them is None."""
    together: set[str] = set()
    for part in parts:
        if part is None:
            return None
        together |= part
    return frozenset(together)


@dataclass(frozen=True, slots=True)
class Scope:
    """The columns that an expression may name; `others` by the alias that goes before the dot."""

    text: str
    columns: Mapping[str, Column]
    others: Mapping[str, Mapping[str, Column]]
    callable: tuple[str, ...] = tuple(FUNCTIONS)
    """Names of functions, to find the one that was meant."""

    def place(self, node: exp.Expr) -> Place:
        """Return where a node stands in the text."""
        return Place.of(node, self.text)


def compile_expression(node: exp.Expr, scope: Scope) -> Compiled:
    """Compile a parsed expression; raises InvalidSql at the part that cannot be."""
    return _Compiler(scope).compile(node)


def compile_condition(node: exp.Expr, scope: Scope, clause: str) -> Compiled:
    """Compile an expression that must be true or false."""
    compiled = compile_expression(node, scope)
    if not fits(compiled.type, Type.BOOLEAN):
        raise InvalidSql(
            f"{clause} needs a condition, this is a {compiled.type}", scope.place(node)
        )
    return compiled


class _Compiler:
    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def compile(self, node: exp.Expr | None) -> Compiled:
        """Compile by the kind of node; None is where the parser found nothing."""
        if node is None:
            raise InvalidSql("something is missing in an expression", Place())
        for kind, method in _METHODS.items():
            if isinstance(node, kind):
                compiled: Compiled = method(self, node)
                if node.args.get("negate"):  # NOT LIKE
                    return _joined(Type.BOOLEAN, operators.negated(compiled.value), [compiled])
                return compiled
        what = type(node).__name__.upper()
        raise self.wrong(f"{what} is not supported in an expression", node)

    def wrong(self, message: str, node: exp.Expr) -> InvalidSql:
        return InvalidSql(message, self._scope.place(node))

    def paren(self, node: exp.Paren) -> Compiled:
        return self.compile(node.this)

    def literal(self, node: exp.Literal) -> Compiled:
        if node.is_string:
            return _constant(Type.STRING, node.this)
        try:
            whole = int(node.this)
        except ValueError:
            return _constant(Type.DOUBLE, float(node.this))
        if abs(whole) > MAX_BIGINT:
            raise self.wrong("a whole number has 64 bits", node)
        return _constant(Type.BIGINT, whole)

    def boolean(self, node: exp.Boolean) -> Compiled:
        return _constant(Type.BOOLEAN, bool(node.this))

    def null(self, node: exp.Null) -> Compiled:
        del node
        return _constant(Type.ANY, None)

    def column(self, node: exp.Column) -> Compiled:
        columns = self._scope.columns
        if node.table:
            alias = node.args["table"].this.upper()
            if alias not in self._scope.others:
                known = nearest(alias, self._scope.others)
                raise self.wrong(f"there is no source {alias} in this statement{known}", node)
            columns = self._scope.others[alias]
        identifier = node.this
        if not isinstance(identifier, exp.Identifier):
            raise self.wrong("`*` cannot stand here", node)
        name = identifier.this if identifier.args.get("quoted") else identifier.this.upper()
        column = columns.get(name)
        if column is None:
            raise self.wrong(f"there is no column {name[:60]}{nearest(name, columns)}", node)
        return Compiled(column.type, column.value, frozenset({column}))

    def connective(self, node: exp.And | exp.Or) -> Compiled:
        make = operators.both if isinstance(node, exp.And) else operators.either
        parts = [self._condition(part) for part in (node.left, node.right)]
        return _joined(Type.BOOLEAN, make(*(part.value for part in parts)), parts)

    def negation(self, node: exp.Not) -> Compiled:
        part = self._condition(node.this)
        return _joined(Type.BOOLEAN, operators.negated(part.value), [part])

    def comparison(self, node: exp.Binary) -> Compiled:
        left, right = self.compile(node.left), self.compile(node.right)
        if common([left.type, right.type]) is None:
            raise self.wrong(f"a {left.type} cannot be compared with a {right.type}", node)
        make = operators.COMPARISONS[type(node)]
        constant = right.value(None, 0) if right.constant else None
        return _joined(Type.BOOLEAN, make(left.value, right.value, constant), [left, right])

    def arithmetic(self, node: exp.Binary) -> Compiled:
        left, right = self.compile(node.left), self.compile(node.right)
        if isinstance(node, exp.Add) and left.type is right.type is Type.STRING:
            return self._called("CONCAT", [left, right], node)
        for part, side in ((left, node.left), (right, node.right)):
            if not part.type.is_number:
                raise self.wrong(f"cannot calculate with a {part.type}", side)
        kind = common([left.type, right.type]) or Type.ANY
        make = operators.ARITHMETIC[type(node)]
        return _joined(kind, make(left.value, right.value), [left, right])

    def minus(self, node: exp.Neg) -> Compiled:
        part = self.compile(node.this)
        if not part.type.is_number:
            raise self.wrong(f"cannot calculate with a {part.type}", node)
        return _joined(part.type, operators.minus(part.value), [part])

    def between(self, node: exp.Between) -> Compiled:
        value, low, high = (
            self.compile(part) for part in (node.this, node.args["low"], node.args["high"])
        )
        if common([value.type, low.type, high.type]) is None:
            raise self.wrong(
                f"a {value.type} cannot lie between a {low.type} and a {high.type}", node
            )
        made = operators.between(value.value, low.value, high.value)
        return _joined(Type.BOOLEAN, made, [value, low, high])

    def membership(self, node: exp.In) -> Compiled:
        if node.args.get("query") or not node.expressions:
            raise self.wrong("IN needs a list of values: IN ('a', 'b')", node)
        value = self.compile(node.this)
        options = [self.compile(option) for option in node.expressions]
        if common([value.type, *(option.type for option in options)]) is None:
            raise self.wrong(f"the list has values that are no {value.type}", node)
        made = operators.among(value.value, [option.value for option in options])
        return _joined(Type.BOOLEAN, made, [value, *options])

    def like(self, node: exp.Like) -> Compiled:
        value, pattern = self.compile(node.this), self.compile(node.expression)
        if not (fits(value.type, Type.STRING) and pattern.constant and pattern.type is Type.STRING):
            raise self.wrong("LIKE compares a STRING with a pattern in quotes: LIKE 'svc-%'", node)
        try:
            made = operators.like(value.value, pattern.value(None, 0))
        except ValueError as error:
            raise self.wrong(f"LIKE: {error}", node) from None
        return _joined(Type.BOOLEAN, made, [value])

    def null_test(self, node: exp.Is) -> Compiled:
        value = self.compile(node.this)
        if isinstance(node.expression, exp.Boolean):
            made = operators.equals_exactly(value.value, bool(node.expression.this))
        elif isinstance(node.expression, exp.Null):
            made = operators.is_null(value.value)
        else:
            raise self.wrong("expected IS NULL, IS TRUE or IS FALSE", node)
        return _joined(Type.BOOLEAN, made, [value])

    def case(self, node: exp.Case) -> Compiled:
        subject = node.args.get("this")
        conditions, results = [], []
        for branch in node.args["ifs"]:
            test = exp.EQ(this=subject.copy(), expression=branch.this) if subject else branch.this
            conditions.append(self._condition(test))
            results.append(self.compile(branch.args["true"]))
        default = node.args.get("default")
        results.append(self.compile(default) if default else _constant(Type.ANY, None))
        kind = common([result.type for result in results])
        if kind is None:
            kinds = ", ".join(sorted({result.type for result in results} - {Type.ANY}))
            raise self.wrong(f"the branches of CASE have different types: {kinds}", node)
        made = operators.first_true(
            [condition.value for condition in conditions], [result.value for result in results]
        )
        return _joined(kind, made, conditions + results)

    def element(self, node: exp.Bracket) -> Compiled:
        if len(node.expressions) != 1:
            raise self.wrong("expected one key in brackets: TAGS['env']", node)
        return self._element(node, node.expressions[0])

    def json_element(self, node: exp.JSONExtract) -> Compiled:
        return self._element(node, node.expression)

    def _element(self, node: exp.Expr, key_node: exp.Expr) -> Compiled:
        whole = self.compile(node.this)
        key = self.compile(key_node)
        if whole.type not in {Type.MAP, Type.JSON, Type.ARRAY, Type.ANY}:
            raise self.wrong(f"a {whole.type} has no elements", node)
        kind = Type.STRING if whole.type is Type.MAP else Type.ANY
        return _joined(kind, operators.element(whole.value, key.value), [whole, key])

    def cast(self, node: exp.Cast) -> Compiled:
        value = self.compile(node.this)
        name = node.to.sql().partition("(")[0].upper()
        wanted = SPELLINGS.get(name)
        if wanted is None:
            raise self.wrong(f"there is no type {name[:60]}{nearest(name, SPELLINGS)}", node.to)
        convert = Function(conversion(wanted), (value.type,), wanted)
        return _joined(wanted, operators.applied(convert.of, [value.value]), [value])

    def call(self, node: exp.Anonymous) -> Compiled:
        name = str(node.this).upper()
        if name in CHANGING:
            raise self.wrong(f"{name}: {CHANGING[name]}", node)
        if name not in FUNCTIONS:
            raise self.wrong(
                f"there is no function {name[:60]} here{nearest(name, self._scope.callable)}", node
            )
        return self._called(name, [self.compile(part) for part in node.expressions], node)

    def _called(self, name: str, parts: Sequence[Compiled], node: exp.Expr) -> Compiled:
        function = FUNCTIONS[name]
        if fault := function.fault([part.type for part in parts]):
            raise self.wrong(f"{name}: {fault}", node)
        for place, check in function.checks.items():
            self._checked(name, check, parts[place : place + 1], node)
        kind = function.result([part.type for part in parts])
        return _joined(kind, operators.applied(function.of, [part.value for part in parts]), parts)

    def _checked(self, name: str, check: Check, parts: Sequence[Compiled], node: exp.Expr) -> None:
        """Refuse a constant that can never be an argument."""
        for part in parts:
            constant = part.value(None, 0) if part.constant else None
            if isinstance(constant, str):
                try:
                    check(constant)
                except (ValueError, InvalidInput) as error:
                    raise self.wrong(f"{name}: {error}", node) from None

    def _condition(self, node: exp.Expr) -> Compiled:
        return compile_condition(node, self._scope, "this place")


def _constant(kind: Type, value: Value) -> Compiled:
    return Compiled(kind, lambda _row, _ms: value, constant=True)


def _joined(kind: Type, value: Evaluate, parts: Sequence[Compiled]) -> Compiled:
    """Put parts together; what has only constants in it is evaluated here, once."""
    if parts and all(part.constant for part in parts):
        return _constant(kind, value(None, 0))
    return Compiled(kind, value, frozenset[Column]().union(*(part.columns for part in parts)))


_METHODS: dict[type[exp.Expr], Callable[[_Compiler, Any], Compiled]] = {
    exp.Paren: _Compiler.paren,
    exp.Literal: _Compiler.literal,
    exp.Boolean: _Compiler.boolean,
    exp.Null: _Compiler.null,
    exp.Column: _Compiler.column,
    exp.And: _Compiler.connective,
    exp.Or: _Compiler.connective,
    exp.Not: _Compiler.negation,
    exp.EQ: _Compiler.comparison,
    exp.NEQ: _Compiler.comparison,
    exp.LT: _Compiler.comparison,
    exp.LTE: _Compiler.comparison,
    exp.GT: _Compiler.comparison,
    exp.GTE: _Compiler.comparison,
    exp.Add: _Compiler.arithmetic,
    exp.Sub: _Compiler.arithmetic,
    exp.Mul: _Compiler.arithmetic,
    exp.Div: _Compiler.arithmetic,
    exp.Mod: _Compiler.arithmetic,
    exp.Neg: _Compiler.minus,
    exp.Between: _Compiler.between,
    exp.In: _Compiler.membership,
    exp.Like: _Compiler.like,
    exp.Is: _Compiler.null_test,
    exp.Case: _Compiler.case,
    exp.Bracket: _Compiler.element,
    exp.JSONExtract: _Compiler.json_element,
    exp.Cast: _Compiler.cast,
    exp.Anonymous: _Compiler.call,
}
"""What an expression may consist of; anything else is refused by name."""
