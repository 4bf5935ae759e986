"""Scalar functions: one table by name, each with its parameters, its result and its work.

A new function is one line in `FUNCTIONS`. Functions are pure and quick for any argument.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

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


def _first_known(*values: Value) -> Value:
    return next((value for value in values if value is not None), None)


def _rounded(number: float, digits: int = 0) -> float:
    if digits == 0:
        return math.floor(number + 0.5)
    return round(number, max(-300, min(digits, 300)))


_S, _I, _D, _A = Type.STRING, Type.BIGINT, Type.DOUBLE, Type.ANY

FUNCTIONS: dict[str, Function] = {
    "ABS": Function(abs, (_D,), None),
    "CEIL": Function(math.ceil, (_D,), _I),
    "COALESCE": Function(_first_known, (_A,), None, endless=True, strict=False),
    "CONCAT": Function(_concat, (_A,), _S, endless=True, strict=False),
    "FLOOR": Function(math.floor, (_D,), _I),
    "GREATEST": Function(max, (_A,), None, endless=True),
    "IFNULL": Function(_first_known, (_A, _A), None, strict=False),
    "LCASE": Function(str.lower, (_S,), _S),
    "LEAST": Function(min, (_A,), None, endless=True),
    "LEN": Function(len, (_S,), _I),
    "REPLACE": Function(lambda t, a, b: t.replace(a, b)[:MAX_STRING], (_S, _S, _S), _S),
    "ROUND": Function(_rounded, (_D, _I), _D, optional=1),
    "SUBSTRING": Function(_substring, (_S, _I, _I), _S, optional=1),
    "TRIM": Function(str.strip, (_S,), _S),
    "UCASE": Function(str.upper, (_S,), _S),
}
FUNCTIONS |= {
    "CEILING": FUNCTIONS["CEIL"],
    "LENGTH": FUNCTIONS["LEN"],
    "LOWER": FUNCTIONS["LCASE"],
    "SUBSTR": FUNCTIONS["SUBSTRING"],
    "UPPER": FUNCTIONS["UCASE"],
}
