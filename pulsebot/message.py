"""Messages: what is said to people, before any chat platform's markup.

A message is a title, a severity and a list of parts. Each chat renders the parts in its own
way; `plain` is the rendering that always works. Text in parts is raw: escaping belongs to
the chat that renders it.

This module must not know any platform or any limit of one.
"""

from typing import Literal

import msgspec
from msgspec import Struct

Severity = Literal["info", "warning", "error", "critical", "resolved"]

ICONS: dict[Severity, str] = {
    "info": "🔵",
    "warning": "🟡",
    "error": "🟠",
    "critical": "🔴",
    "resolved": "🟢",
}


class Text(Struct, frozen=True, tag="text"):
    """A paragraph; line breaks in it are kept."""

    text: str


class Fields(Struct, frozen=True, tag="fields"):
    """Short labelled values, in order."""

    items: tuple[tuple[str, str], ...]


class Table(Struct, frozen=True, tag="table"):
    """Rows under a header; every row has as many cells as the header."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Code(Struct, frozen=True, tag="code"):
    """Preformatted text, such as a stack trace."""

    text: str


class Link(Struct, frozen=True, tag="link"):
    """A link with its own label."""

    label: str
    url: str


class Note(Struct, frozen=True, tag="note"):
    """Small print: the interval and zone of an answer, the id of an apology."""

    text: str


Part = Text | Fields | Table | Code | Link | Note


class Message(Struct, frozen=True):
    """What is said: a title in one line, how grave it is, and the parts below."""

    title: str
    parts: tuple[Part, ...] = ()
    severity: Severity | None = None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Message)


def encode(message: Message) -> bytes:
    """Encode a message for keeping."""
    return _encoder.encode(message)


def decode(value: bytes) -> Message:
    """Decode what `encode` made; raises ValueError (msgspec's are such) on anything else."""
    return _decoder.decode(value)


def headline(message: Message) -> str:
    """Return the title with the icon of its severity: one line that says it all."""
    return f"{ICONS[message.severity]} {message.title}" if message.severity else message.title


def plain(message: Message) -> str:
    """Render a message as plain text: nothing is lost but the looks."""
    return "\n".join([headline(message), *(_plain_part(part) for part in message.parts)])


def _plain_part(part: Part) -> str:
    match part:
        case Fields(items):
            return "\n".join(f"{label}: {value}" for label, value in items)
        case Table(header, rows):
            return table_text(header, rows)
        case Code(text) | Text(text) | Note(text):
            return text
        case Link(label, url):
            return f"{label}: {url}"


def table_text(header: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> str:
    """Lay a table out in columns for a monospaced font; numbers are set to the right.

    A line break within a cell becomes a blank, so that a row stays a line.
    """
    if not rows:
        return "(nothing)"
    lines = [tuple(" ".join(cell.splitlines()) for cell in row) for row in (header, *rows)]
    columns = list(zip(*lines, strict=True))
    widths = [max(map(len, column)) for column in columns]
    right = [all(is_number(cell) for cell in column[1:]) for column in columns]
    return "\n".join(_table_line(line, widths, right) for line in lines)


def _table_line(row: tuple[str, ...], widths: list[int], right: list[bool]) -> str:
    cells = [
        cell.rjust(width) if to_right else cell.ljust(width)
        for cell, width, to_right in zip(row, widths, right, strict=True)
    ]
    return "  ".join(cells).rstrip()


def is_number(cell: str) -> bool:
    """Tell whether a cell reads as a number, a percentage or a gap: columns of them go right."""
    return cell.lstrip("+-±−").replace(",", "").replace(".", "").rstrip("% ").isdigit() or cell in {
        "",
        "–",
    }
