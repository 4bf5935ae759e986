"""Rows of queries as a table that fits a chat: few columns, short cells, readable times."""

import re
from collections.abc import Sequence
from typing import Any

from pulsebot.message import Part, Table, Text

COLUMNS = 8
CELL = 40

_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:\d\d(?:\.\d+)?)([+-]\d\d:\d\d)?")


def compact(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Part:
    """Return a table; columns beyond what fits are left out, in words."""
    if not rows:
        return Text("(no rows)")
    header = [name[:CELL] for name in columns[:COLUMNS]]
    if left := columns[COLUMNS:]:
        header[-1] = f"… and {len(left) + 1} more"
    cells = [
        tuple("…" if left and i == COLUMNS - 1 else _cell(v) for i, v in enumerate(row[:COLUMNS]))
        for row in rows
    ]
    return Table(tuple(header), tuple(cells))


def _cell(value: Any) -> str:  # noqa: ANN401 - whatever SQLite holds
    if value is None:
        return "–"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.2f}".rstrip("0").rstrip(".") if abs(value) < _LARGE else f"{value:g}"
    text = " ".join(str(value).split())
    if moment := _MOMENT.fullmatch(text):
        return _when(*moment.groups())
    return text if len(text) <= CELL else f"{text[: CELL - 1]}…"


_LARGE = 1e15


def _when(day: str, minute: str, second: str, _offset: str | None) -> str:
    """Return a local time without what says nothing: midnight, no seconds, the offset."""
    if second != ":00":
        return f"{day} {minute}{second[:3]}"
    return day if minute == "00:00" else f"{day} {minute}"
