"""Operators: closures put together from closures, with SQL's three-valued logic.

None is NULL: it makes a comparison or a calculation NULL. A value of a type that cannot be
compared or calculated with (it came out of JSON) counts as NULL too, so a row never fails.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import re2  # type: ignore[import-untyped]
from sqlglot import exp

from pulsebot.views.functions import patterns
from pulsebot.views.value import Value, bounded

Evaluate = Callable[[Any, int], Value]


def both(left: Evaluate, right: Evaluate) -> Evaluate:
    """AND: false wins over NULL."""

    def evaluate(row: Any, ms: int) -> Value:
        if (a := left(row, ms)) is False:
            return False
        if (b := right(row, ms)) is False:
            return False
        return True if a is True and b is True else None

    return evaluate


def either(left: Evaluate, right: Evaluate) -> Evaluate:
    """OR: true wins over NULL."""

    def evaluate(row: Any, ms: int) -> Value:
        if (a := left(row, ms)) is True:
            return True
        if (b := right(row, ms)) is True:
            return True
        return False if a is False and b is False else None

    return evaluate


def negated(part: Evaluate) -> Evaluate:
    """NOT."""

    def evaluate(row: Any, ms: int) -> Value:
        value = part(row, ms)
        return not value if isinstance(value, bool) else None

    return evaluate


def is_null(part: Evaluate) -> Evaluate:
    """IS NULL: never NULL itself."""
    return lambda row, ms: part(row, ms) is None


def equals_exactly(part: Evaluate, truth: bool) -> Evaluate:  # noqa: FBT001 - the value compared with
    """IS TRUE, IS FALSE: never NULL itself."""
    return lambda row, ms: part(row, ms) is truth


def _equal(left: Evaluate, right: Evaluate, constant: Value) -> Evaluate:
    if constant is not None:  # the usual case, in one step

        def against(row: Any, ms: int) -> Value:
            value = left(row, ms)
            return None if value is None else value == constant

        return against
    return _compared(lambda a, b: bool(a == b), left, right)


def _unequal(left: Evaluate, right: Evaluate, constant: Value) -> Evaluate:
    return negated(_equal(left, right, constant))


def _ordered(test: Callable[[Any, Any], bool]) -> Callable[[Evaluate, Evaluate, Value], Evaluate]:
    return lambda left, right, _constant: _compared(test, left, right)


def _compared(test: Callable[[Any, Any], bool], left: Evaluate, right: Evaluate) -> Evaluate:
    def evaluate(row: Any, ms: int) -> Value:
        a, b = left(row, ms), right(row, ms)
        if a is None or b is None:
            return None
        try:
            return test(a, b)
        except TypeError:
            return None

    return evaluate


COMPARISONS: dict[type[exp.Expr], Callable[[Evaluate, Evaluate, Value], Evaluate]] = {
    exp.EQ: _equal,
    exp.NEQ: _unequal,
    exp.LT: _ordered(lambda a, b: a < b),
    exp.LTE: _ordered(lambda a, b: a <= b),
    exp.GT: _ordered(lambda a, b: a > b),
    exp.GTE: _ordered(lambda a, b: a >= b),
}


def _calculated(
    work: Callable[[Any, Any], Value],
) -> Callable[[Evaluate, Evaluate], Evaluate]:
    def make(left: Evaluate, right: Evaluate) -> Evaluate:
        def evaluate(row: Any, ms: int) -> Value:
            a, b = left(row, ms), right(row, ms)
            if not (isinstance(a, int | float) and isinstance(b, int | float)):
                return None
            try:
                return bounded(work(a, b))
            except (ZeroDivisionError, OverflowError):
                return None

        return evaluate

    return make


def _divide(a: float, b: float) -> float:
    """Divide; whole numbers give a whole number, rounded towards zero as SQL does."""
    if isinstance(a, int) and isinstance(b, int):
        quotient = abs(a) // abs(b)
        return quotient if (a < 0) == (b < 0) else -quotient
    return a / b


def _remainder(a: float, b: float) -> float:
    """Return the remainder with the sign of the dividend, as SQL does."""
    return a - b * _divide(a, b) if isinstance(a, int) and isinstance(b, int) else math.fmod(a, b)


ARITHMETIC: dict[type[exp.Expr], Callable[[Evaluate, Evaluate], Evaluate]] = {
    exp.Add: _calculated(lambda a, b: a + b),
    exp.Sub: _calculated(lambda a, b: a - b),
    exp.Mul: _calculated(lambda a, b: a * b),
    exp.Div: _calculated(_divide),
    exp.Mod: _calculated(_remainder),
}


def minus(part: Evaluate) -> Evaluate:
    """Return the negative."""

    def evaluate(row: Any, ms: int) -> Value:
        value = part(row, ms)
        return bounded(-value) if isinstance(value, int | float) else None

    return evaluate


def between(value: Evaluate, low: Evaluate, high: Evaluate) -> Evaluate:
    """BETWEEN: both ends included."""
    at_least = COMPARISONS[exp.GTE](value, low, None)
    at_most = COMPARISONS[exp.LTE](value, high, None)
    return both(at_least, at_most)


def among(value: Evaluate, options: Sequence[Evaluate]) -> Evaluate:
    """IN: NULL where it is not found and an option was NULL."""

    def evaluate(row: Any, ms: int) -> Value:
        found = value(row, ms)
        if found is None:
            return None
        values = [option(row, ms) for option in options]
        if found in values:
            return True
        return None if None in values else False

    return evaluate


def like(value: Evaluate, pattern: str) -> Evaluate:
    r"""LIKE: `%` is any text, `_` one character, `\` makes the next one plain.

    Linear in the text, whatever the pattern. Raises ValueError for one that is too long.
    """
    matches = _matcher(pattern)

    def evaluate(row: Any, ms: int) -> Value:
        text = value(row, ms)
        return matches(text) if isinstance(text, str) else None

    return evaluate


def _matcher(pattern: str) -> Callable[[str], bool]:
    pieces = [""]
    characters = iter(pattern)
    for character in characters:
        if character == "%":
            pieces.append("")
        elif character == "_":
            return _by_regex(pattern)
        else:
            pieces[-1] += next(characters, "\\") if character == "\\" else character
    return _by_pieces(pieces)


def _by_regex(pattern: str) -> Callable[[str], bool]:
    parts = []
    characters = iter(pattern)
    for character in characters:
        known = {"%": ".*", "_": "."}.get(character)
        plain = next(characters, "\\") if character == "\\" else character
        parts.append(known or re2.escape(plain))
    compiled = patterns.compiled(f"(?s)^{''.join(parts)}$")
    return lambda text: compiled.search(text) is not None


def _by_pieces(pieces: list[str]) -> Callable[[str], bool]:
    """Match texts that follow one another with anything between them."""
    if len(pieces) == 1:
        [whole] = pieces
        return lambda text: text == whole
    first, *inner, last = pieces

    def matches(text: str) -> bool:
        end = len(text) - len(last)
        if not (len(first) <= end and text.startswith(first) and text.endswith(last)):
            return False
        position = len(first)
        for piece in inner:
            position = text.find(piece, position, end)
            if position < 0:
                return False
            position += len(piece)
        return True

    return matches


def first_true(conditions: Sequence[Evaluate], results: Sequence[Evaluate]) -> Evaluate:
    """CASE: the result of the first true condition, else the last result."""
    branches = list(zip(conditions, results[:-1], strict=True))
    default = results[-1]

    def evaluate(row: Any, ms: int) -> Value:
        for condition, result in branches:
            if condition(row, ms) is True:
                return result(row, ms)
        return default(row, ms)

    return evaluate


def element(whole: Evaluate, key: Evaluate) -> Evaluate:
    """Take an element of a map by its key, or of a list by its place from 1; else NULL."""

    def evaluate(row: Any, ms: int) -> Value:
        container, wanted = whole(row, ms), key(row, ms)
        if isinstance(container, dict):
            return container.get(wanted) if isinstance(wanted, str) else None
        if isinstance(container, list) and isinstance(wanted, int) and not isinstance(wanted, bool):
            return container[wanted - 1] if 1 <= wanted <= len(container) else None
        return None

    return evaluate


def applied(function: Callable[[Sequence[Value]], Value], parts: Sequence[Evaluate]) -> Evaluate:
    """Call a function with the values of its arguments."""
    if len(parts) == 1:  # the usual case, in one step
        [part] = parts
        return lambda row, ms: function((part(row, ms),))
    return lambda row, ms: function([part(row, ms) for part in parts])
