"""Casts: a value of one type as one of another."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from pulsebot.views.datatype import Type
from pulsebot.views.value import MAX_BIGINT, fit, text_of

Value = Any


def conversion(wanted: Type) -> Callable[[Value], Value]:
    """Return what CAST does; it raises ValueError, KeyError or TypeError for what is none."""
    return _CONVERSIONS[wanted]


def _whole(value: Value) -> int:
    number = int(value) if not isinstance(value, float) or math.isfinite(value) else _refuse()
    return number if abs(number) <= MAX_BIGINT else _refuse()


def _refuse() -> int:
    raise ValueError


def _double(value: Value) -> float:
    number = float(value)
    return number if math.isfinite(number) else _refuse()


def _truth(value: Value) -> bool:
    if isinstance(value, str):
        return {"true": True, "false": False}[value.strip().casefold()]
    return bool(value)


def _tree(value: Value) -> Value:
    return fit(msgspec.json.decode(value) if isinstance(value, str) else value)


_CONVERSIONS: Mapping[Type, Callable[[Value], Value]] = {
    Type.STRING: text_of,
    Type.BIGINT: _whole,
    Type.DOUBLE: _double,
    Type.BOOLEAN: _truth,
    Type.JSON: _tree,
}
