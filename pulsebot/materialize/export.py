"""Answers for other programs: lines of CSV or JSON.

CSV is made for spreadsheets, so nothing in it can become a formula or play with a terminal;
JSON keeps every text as it is. One row is one line of JSON, one record of CSV.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from pulsebot.chat.terminal import visible

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")
"""What a spreadsheet may take for the start of a formula (OWASP, CSV injection), and DDE's."""

_CONTROLS = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
"""What JSON leaves as it is although a terminal or a browser may obey it."""


def csv_lines(rows: Sequence[Sequence[Any]], columns: Sequence[str] = ()) -> str:
    """Return rows as CSV (RFC 4180), with a header if there are columns.

    A text that a spreadsheet would compute gets an apostrophe in front; control characters
    are replaced by their pictures.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    if columns:
        writer.writerow([_cell(name) for name in columns])
    writer.writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue()


def _cell(value: Any) -> Any:  # noqa: ANN401 - whatever SQLite holds
    if not isinstance(value, str):
        return value
    return f"'{visible(value)}" if value.startswith(_FORMULA) else visible(value)


def json_lines(rows: Sequence[Sequence[Any]], columns: Sequence[str]) -> Iterator[str]:
    """Yield an object for each row, without any character that a terminal obeys."""
    for record in records(rows, columns):
        text = msgspec.json.encode(record).decode()
        yield _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def records(rows: Sequence[Sequence[Any]], columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield rows by name; columns of one name are told apart by a number."""
    names = _apart(columns)
    for row in rows:
        yield dict(zip(names, row, strict=True))


def _apart(columns: Sequence[str]) -> list[str]:
    seen: dict[str, int] = {}
    names: list[str] = []
    for column in columns:
        seen[column] = seen.get(column, 0) + 1
        names.append(column if seen[column] == 1 else f"{column}_{seen[column]}")
    return names
