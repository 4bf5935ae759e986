"""Values: what an expression may give, made fit to be kept, shown, ordered and grouped by.

A value is None (NULL), a bool, a whole number of 64 bits, a finite double, a text, or a list or
map of those. Whatever an event holds, nothing else gets into a state or a column: a value that
cannot be kept would fail its whole batch, again and again.
"""

import math
from typing import Any

import msgspec

Value = Any

MAX_BIGINT = 2**63 - 1
MAX_STRING = 10_000
"""Characters that a function gives at the most."""

_MAX_DEPTH = 32
_canonical = msgspec.json.Encoder(order="deterministic")


def bounded(number: float) -> int | float | None:
    """Return a number as a database can hold it: a huge one as a DOUBLE, no number as NULL."""
    if isinstance(number, int):
        if -MAX_BIGINT <= number <= MAX_BIGINT:
            return number
        return float(number) if number.bit_length() <= _DOUBLE_BITS else None
    return number if math.isfinite(number) else None


_DOUBLE_BITS = 1023


def plain_number(value: Value) -> Value:
    """Return the whole number that equals a truth or a double, anything else as it is."""
    if isinstance(value, bool) or (isinstance(value, float) and value.is_integer()):
        whole = int(value)
        return whole if abs(whole) <= MAX_BIGINT else value
    return value


def fit(value: Value, depth: int = _MAX_DEPTH) -> Value:
    """Return a value that can be kept; what cannot be is NULL."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        return bounded(value)
    if depth and isinstance(value, list):
        return [fit(part, depth - 1) for part in value]
    if depth and isinstance(value, dict):
        return {str(name): fit(part, depth - 1) for name, part in value.items()}
    return None


def text_of(value: Value) -> str:
    """Return a value as a text; lists and maps as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return canonical(value)[:MAX_STRING]
    return str(value)


def canonical(value: Value) -> str:
    """Return the JSON that equal values have in common."""
    return _canonical.encode(value).decode()


Rank = tuple[int, Any, str]


def rank(value: Value) -> Rank:
    """Return what values of any type are ordered by; only one and the same value has its rank.

    False, true, numbers, texts, then lists and maps by their JSON. Of equal numbers 1 comes
    before 1.0: results must not depend on which came first.
    """
    if isinstance(value, bool):
        return 0, value, ""
    if isinstance(value, int | float):
        return 1, value, repr(value)
    return (2, value, "") if isinstance(value, str) else (3, canonical(value), "")
