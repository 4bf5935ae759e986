"""Cells: values as SQLite keeps them, made fit for PostgreSQL.

Every value has a place: what PostgreSQL cannot hold becomes what comes nearest (U+FFFD for the
character NUL, NULL for what is no number in a column of numbers), so that no row can ever stop
those behind it. Values are for COPY's text format.
"""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import msgspec

from pulsebot.publish.base import Change, Layout
from pulsebot.views.datatype import Type

Value = str | int | float
"""What SQLite keeps of a column's value, beside NULL."""

Cell = Callable[[Value], Value | None]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_BIGINT = 2**63 - 1
_NUL, _NUL_IN_JSON = "\x00", "\\u0000"
_REPLACEMENT = "\ufffd"


def row_of(layout: Layout) -> Callable[[Change], tuple[Any, ...]]:
    """Return what makes a row: its id, whether it is gone, values, and the window's ends."""
    cells: list[Cell] = [_CELLS.get(column.type, _text) for column in layout.columns]
    ends = 2 if layout.windowed else 0
    nothing = (None,) * (len(cells) + ends)

    def row(change: Change) -> tuple[Any, ...]:
        spot, end_ms, values = change
        identity = row_id(spot.key, spot.start_ms)
        if values is None:
            return (identity, True, *nothing)
        made = [None if v is None else cell(v) for cell, v in zip(cells, values, strict=True)]
        if ends:
            return (identity, False, *made, moment(spot.start_ms), moment(end_ms))
        return (identity, False, *made)

    return row


def row_id(key: str, start_ms: int) -> str:
    """Return 128 bits that tell a row of a view from all others, as PostgreSQL reads a uuid.

    A key itself may be NULL, or longer than an index takes (2.7 kB).
    """
    return hashlib.blake2b(f"{start_ms} {key}".encode(), digest_size=16).hexdigest()


@lru_cache(4096)
def moment(ms: int) -> str:
    """Return a moment as PostgreSQL reads it, `infinity` for one that no calendar has."""
    try:
        return (_EPOCH + timedelta(milliseconds=ms)).isoformat()
    except OverflowError:
        return "infinity" if ms > 0 else "-infinity"


def _text(value: Value) -> str:
    text = value if isinstance(value, str) else str(value)
    return text.replace(_NUL, _REPLACEMENT) if _NUL in text else text


def _bigint(value: Value) -> int | None:
    try:
        number = int(value)
    except (ValueError, OverflowError):
        return None
    return number if -_MAX_BIGINT - 1 <= number <= _MAX_BIGINT else None


def _double(value: Value) -> float | None:
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _json(value: Value) -> str:
    """Return JSON as it is, and any other text as a JSON string."""
    text = str(value)
    try:
        parsed = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        parsed = text.encode(errors="replace").decode()
        text = msgspec.json.encode(parsed).decode()
    if _NUL_IN_JSON in text:
        return msgspec.json.encode(_without_nul(parsed)).decode()
    return text


def _without_nul(value: object) -> object:
    if isinstance(value, str):
        return value.replace(_NUL, _REPLACEMENT)
    if isinstance(value, list):
        return [_without_nul(item) for item in value]
    if isinstance(value, dict):
        return {_without_nul(key): _without_nul(item) for key, item in value.items()}
    return value


_CELLS: dict[Type, Cell] = {
    Type.BOOLEAN: bool,
    Type.BIGINT: _bigint,
    Type.DOUBLE: _double,
    Type.ARRAY: _json,
    Type.MAP: _json,
}
