"""Messages as Telegram takes them: HTML within its limits, or plain text.

Text is shortened before any markup goes around it, so that no tag is ever cut.
"""

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlsplit

from pulsebot.message import Code, Fields, Link, Message, Note, Table, Text, headline, table_text

LIMIT = 4096
"""Characters after entities parsing (https://core.telegram.org/bots/api#sendmessage).

Counted here in UTF-16 units, as Telegram counts offsets: no server counts more, and a message
that is too long for one would be refused as plain text as well.
"""
ENTITIES = 100
"""Telegram ignores more marked pieces than this in one message."""
URL_LIMIT = 1024
"""Longer addresses are shown as text: all entities together may not grow much above 9,000."""

_WEB = re.compile(r"https?://[^\s<>\"]+")
_KEPT = 80  # of a piece that must be shortened, where the others leave it no room


@dataclass(frozen=True, slots=True)
class _Piece:
    """One line or block: `text` may be shortened, the rest is kept or goes with it."""

    text: str
    tag: Literal["", "b", "i", "pre"] = ""
    label: str = ""
    url: str = ""

    @property
    def length(self) -> int:
        """UTF-16 units that are shown, with the line break."""
        return len(f"{self.label}{self.text}\n".encode("utf-16-le")) // 2


def render(message: Message, *, formatted: bool) -> str:
    """Return the text to send: never empty, never over `LIMIT`; HTML where `formatted`.

    The longest pieces (stacks, tables) are shortened first, so that the labels, links and small
    print around them stay.
    """
    pieces = _fit([_sound(piece) for piece in _pieces(message, linked=formatted)])
    if not any((piece.label + piece.text).strip() for piece in pieces):
        pieces = [_Piece("(no text)")]
    if not formatted:
        return "\n".join(piece.label + piece.text for piece in pieces)
    return "\n".join(_html(piece, marked=at < ENTITIES) for at, piece in enumerate(pieces))


def _pieces(message: Message, *, linked: bool) -> Iterator[_Piece]:
    yield _Piece(headline(message), "b")
    for part in message.parts:
        match part:
            case Text(text):
                yield _Piece(text)
            case Fields(items):
                yield from (_Piece(value, label=f"{label}: ") for label, value in items)
            case Table(header, rows):
                yield _Piece(table_text(header, rows), "pre")
            case Code(text):
                yield _Piece(text, "pre")
            case Link(label, url) if linked and _linkable(url):
                yield _Piece(label or url, url=url)
            case Link(label, url):
                yield _Piece(url, label=f"{label}: ")
            case Note(text):
                yield _Piece(text, "i")


def _linkable(url: str) -> bool:
    """Tell whether Telegram makes a link of it: it drops others, and the address with them."""
    if len(url) > URL_LIMIT or not _WEB.fullmatch(url):
        return False
    try:
        return "." in (urlsplit(url).hostname or "")
    except ValueError:
        return False


def _sound(piece: _Piece) -> _Piece:
    """Replace what UTF-8 cannot carry (half a surrogate pair)."""
    return replace(
        piece, **{name: getattr(piece, name).encode(errors="replace").decode() for name in _TEXTS}
    )


_TEXTS = ("text", "label", "url")


def _fit(pieces: Sequence[_Piece]) -> list[_Piece]:
    fitting = list(pieces)
    while (over := sum(piece.length for piece in fitting) - 1 - LIMIT) > 0:
        at = max(range(len(fitting)), key=lambda index: len(fitting[index].text))
        text = fitting[at].text
        if len(text) <= _KEPT:
            fitting.pop()
        else:
            kept = max(_KEPT - 1, len(text) - over - 1)
            fitting[at] = replace(fitting[at], text=text[:kept] + "…")
    return fitting


def _html(piece: _Piece, *, marked: bool) -> str:
    text = html.escape(piece.text, quote=False)
    label = html.escape(piece.label, quote=False)
    if not marked:
        return label + text
    if piece.url:
        return f'<a href="{html.escape(piece.url)}">{text}</a>'
    if label:
        return f"<b>{label}</b>{text}"
    return f"<{piece.tag}>{text}</{piece.tag}>" if piece.tag and text.strip() else text
