"""Scalar functions: one table by name, each with its parameters, its result and its work.

A new function is one line in `FUNCTIONS`. Functions are pure and quick for any argument.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import re2  # type: ignore[import-untyped]

from pulsebot.views import moments
from pulsebot.views.datatype import Type, common, fits

MAX_STRING = 10_000
"""Characters that a function gives at the most."""

Value = Any


@dataclass(frozen=True, slots=True)
class Function:
    """A scalar function.

    `parameters` are the types of its arguments; the last `optional` of them may be missing,
    and with `endless` the last one may be repeated. Without a `gives` the result has the
    arguments' common type. A `strict` function gives NULL for NULL without being called.
    """

    call: Callable[..., Value]
    parameters: tuple[Type, ...]
    gives: Type | None
    optional: int = 0
    endless: bool = False
    strict: bool = True

    def fault(self, given: Sequence[Type]) -> str | None:
        """Say what is wrong with arguments of these types, if anything."""
        least, most = len(self.parameters) - self.optional, len(self.parameters)
        if len(given) < least or (len(given) > most and not self.endless):
            count = str(most) if least == most else f"{least} to {most}"
            return (
                f"takes {f'{least} or more' if self.endless else count} arguments, not {len(given)}"
            )
        wanted = (*self.parameters, *self.parameters[-1:] * len(given))
        for number, (kind, want) in enumerate(zip(given, wanted, strict=False), 1):
            if not fits(kind, want):
                return f"argument {number} must be a {want}, not a {kind}"
        if self.gives is None and common(list(given)) is None:
            return "its arguments must have one type"
        return None

    def result(self, given: Sequence[Type]) -> Type:
        """Return the type of the result for arguments of these types."""
        return self.gives or common(list(given)) or Type.ANY


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))[:MAX_STRING]
    return str(value)


def _whole(value: Value) -> int:
    return int(value) if not isinstance(value, float) or math.isfinite(value) else _refuse()


def _refuse() -> int:
    raise ValueError


def _double(value: Value) -> float:
    number = float(value)
    return number if math.isfinite(number) else _refuse()


def _truth(value: Value) -> bool:
    if isinstance(value, str):
        return {"true": True, "false": False}[value.strip().casefold()]
    return bool(value)


_CONVERSIONS: dict[Type, Callable[[Value], Value]] = {
    Type.STRING: _text,
    Type.BIGINT: _whole,
    Type.DOUBLE: _double,
    Type.BOOLEAN: _truth,
    Type.JSON: lambda value: json.loads(value) if isinstance(value, str) else value,
}


def conversion(wanted: Type) -> Callable[[Value], Value]:
    """Return what CAST does; it raises ValueError, KeyError or TypeError for what is none."""
    return _CONVERSIONS[wanted]


def _substring(text: str, start: int, length: int = MAX_STRING) -> str:
    """Return a part of a text; positions count from 1, negative ones from the end."""
    begin = start - 1 if start > 0 else max(len(text) + start, 0)
    return text[begin : begin + max(length, 0)]


def _concat(*parts: Value) -> str:
    return "".join(_text(part) for part in parts if part is not None)[:MAX_STRING]


def _replaced(text: str, old: str, new: str) -> str:
    """Replace, as long as the result cannot be huge."""
    if old and text.count(old) * len(new) > MAX_STRING:
        raise ValueError
    return text.replace(old, new)[:MAX_STRING] if old else text


def _first_known(*values: Value) -> Value:
    return next((value for value in values if value is not None), None)


def _rounded(number: float, digits: int = 0) -> float:
    if digits == 0:
        return math.floor(number + 0.5)
    return round(number, max(-300, min(digits, 300)))


def _joined(separator: str | None, *parts: Value) -> str | None:
    if separator is None:
        return None
    return separator.join(_text(part) for part in parts if part is not None)[:MAX_STRING]


def _padded(text: str, length: int, padding: str, *, left: bool) -> str | None:
    if not (padding and 0 <= length <= MAX_STRING):
        return None
    missing = max(length - len(text), 0)
    fill = (padding * (missing // len(padding) + 1))[:missing]
    return (fill + text if left else text + fill)[:length]


def _split(text: str, separator: str) -> list[str]:
    return text.split(separator)[:MAX_STRING] if separator else list(text)[:MAX_STRING]


def _different(left: Value, right: Value) -> Value:
    return None if left == right else left


def _sign(number: float) -> int:
    return (number > 0) - (number < 0)


@lru_cache(maxsize=256)
def _regex(pattern: str) -> Any:
    """Return a pattern of RE2, which matches in linear time; raises ValueError where it is none."""
    try:
        return re2.compile(pattern)
    except re2.error:
        raise ValueError(pattern) from None


def _extract(pattern: str, text: str, group: int = 0) -> str | None:
    found = _regex(pattern).search(text)
    return found.group(group) if found else None


def _json_field(text: Value, path: str) -> str | None:
    """Return what is at a path such as `$.a.b[0]`, as text."""
    value = json.loads(text) if isinstance(text, str) else text
    for part in path.removeprefix("$").replace("[", ".").replace("]", "").strip(".").split("."):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return None if value is None else _text(value)


_S, _I, _D, _A, _B = Type.STRING, Type.BIGINT, Type.DOUBLE, Type.ANY, Type.BOOLEAN

FUNCTIONS: dict[str, Function] = {
    "ABS": Function(abs, (_D,), None),
    "ARRAY_CONTAINS": Function(lambda items, item: item in items, (Type.ARRAY, _A), _B),
    "ARRAY_LENGTH": Function(len, (Type.ARRAY,), _I),
    "CEIL": Function(math.ceil, (_D,), _I),
    "COALESCE": Function(_first_known, (_A,), None, endless=True, strict=False),
    "CONCAT": Function(_concat, (_A,), _S, endless=True, strict=False),
    "CONCAT_WS": Function(_joined, (_S, _A), _S, endless=True, strict=False),
    "DAY_OF_WEEK": Function(moments.day_of_week, (_I, _S), _I, optional=1),
    "EXP": Function(math.exp, (_D,), _D),
    "EXTRACTJSONFIELD": Function(_json_field, (_A, _S), _S),
    "FLOOR": Function(math.floor, (_D,), _I),
    "FORMAT_TIMESTAMP": Function(moments.to_text, (_I, _S, _S), _S, optional=1),
    "GREATEST": Function(max, (_A,), None, endless=True),
    "HOUR_OF_DAY": Function(moments.hour_of_day, (_I, _S), _I, optional=1),
    "IFNULL": Function(_first_known, (_A, _A), None, strict=False),
    "INITCAP": Function(str.title, (_S,), _S),
    "INSTR": Function(lambda text, part: text.find(part) + 1, (_S, _S), _I),
    "LCASE": Function(str.lower, (_S,), _S),
    "LEAST": Function(min, (_A,), None, endless=True),
    "LEN": Function(len, (_S,), _I),
    "LN": Function(math.log, (_D,), _D),
    "LPAD": Function(lambda t, n, p: _padded(t, n, p, left=True), (_S, _I, _S), _S),
    "MAP_KEYS": Function(sorted, (Type.MAP,), Type.ARRAY),
    "NULLIF": Function(_different, (_A, _A), None, strict=False),
    "PARSE_TIMESTAMP": Function(moments.from_text, (_S, _S, _S), _I, optional=1),
    "POWER": Function(lambda base, power: float(base) ** power, (_D, _D), _D),
    "REGEXP_EXTRACT": Function(_extract, (_S, _S, _I), _S, optional=1),
    "REGEXP_LIKE": Function(lambda t, p: _regex(p).search(t) is not None, (_S, _S), _B),
    "REPLACE": Function(_replaced, (_S, _S, _S), _S),
    "ROUND": Function(_rounded, (_D, _I), _D, optional=1),
    "RPAD": Function(lambda t, n, p: _padded(t, n, p, left=False), (_S, _I, _S), _S),
    "SIGN": Function(_sign, (_D,), _I),
    "SPLIT": Function(_split, (_S, _S), Type.ARRAY),
    "SQRT": Function(math.sqrt, (_D,), _D),
    "SUBSTRING": Function(_substring, (_S, _I, _I), _S, optional=1),
    "TRIM": Function(str.strip, (_S,), _S),
    "UCASE": Function(str.upper, (_S,), _S),
}
FUNCTIONS |= {
    "CEILING": FUNCTIONS["CEIL"],
    "LENGTH": FUNCTIONS["LEN"],
    "LOWER": FUNCTIONS["LCASE"],
    "SUBSTR": FUNCTIONS["SUBSTRING"],
    "STRINGTOTIMESTAMP": FUNCTIONS["PARSE_TIMESTAMP"],
    "TIMESTAMPTOSTRING": FUNCTIONS["FORMAT_TIMESTAMP"],
    "UPPER": FUNCTIONS["UCASE"],
}
