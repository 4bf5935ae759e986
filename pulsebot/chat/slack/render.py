"""Renders a message as Slack's blocks and as plain text, within Slack's limits.

Free text goes into rich text, which Slack shows as it is: no mention, markup or emoji code in
an event is ever obeyed. What must go into text objects is escaped.

https://docs.slack.dev/reference/block-kit/blocks
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from pulsebot.chat.slack.fitting import clean, escape, shares, shorten, shorten_middle, width
from pulsebot.message import (
    Code,
    Fields,
    Link,
    Message,
    Note,
    Part,
    Table,
    Text,
    headline,
    plain,
    table_text,
)

Block = dict[str, Any]

ALL_TEXT = 10_000
"""Over all blocks: Slack refuses somewhere above 13,200 without saying so in its reference."""
PLAIN_TEXT = 4_000
"""Of a message without blocks, as chat.postMessage advises."""
BLOCKS = 50
HEADER = 150
SECTION = 3_000
FIELDS_IN_SECTION = 10
FIELD = 2_000
URL = 3_000
NAMELESS = "pulsebot"
"""Said where nothing is: Slack refuses empty texts."""

_CELL = 200
_LABEL = 100
_MORE_ROWS = 40
_WEB = re.compile(r"https?://[^\s<>\"']*[^\s<>\"'.,;:!?)\]}]")


def blocks(message: Message) -> list[Block]:
    """Render a message as at most 50 blocks; what is left out is said."""
    title = _line(headline(message)) or NAMELESS
    rendered = [_title(shorten(title, SECTION))]
    room = ALL_TEXT - width(shorten(title, SECTION))
    limits = shares([_need(part) for part in message.parts], room)
    for part, limit in zip(message.parts, limits, strict=True):
        rendered += _part(part, limit)
    if len(rendered) > BLOCKS:
        missing = len(rendered) - BLOCKS + 1
        rendered[BLOCKS - 1 :] = [_note(f"… {missing} more blocks left out")]
    return rendered


def text(message: Message) -> str:
    """Render a message as escaped text: for notifications, and where blocks are refused."""
    content = clean(plain(message)).strip() or NAMELESS
    return escape(shorten_middle(content, PLAIN_TEXT))


def _title(title: str) -> Block:
    plain_text = {"type": "plain_text", "text": escape(title), "emoji": False}
    if width(title) <= HEADER:
        return {"type": "header", "text": plain_text}
    return {"type": "section", "text": plain_text}


def _need(part: Part) -> int:
    match part:
        case Fields(items):
            return sum(_field_need(label, value) for label, value in items)
        case Table(header, rows):
            return width(_table_text(header, rows))
        case Link(label, url):
            return width(label) + width(url)
        case Text(content) | Code(content) | Note(content):
            return width(content)


def _part(part: Part, limit: int) -> list[Block]:
    match part:
        case Fields(items):
            return _fields(items, limit)
        case Table(header, rows):
            return [_preformatted(_fitting_rows(header, rows, limit))]
        case Link(label, url):
            return [_rich("rich_text_section", [_link(clean(label), _line(url), limit)])]
        case Text(content) | Code(content) | Note(content):
            return _prose(part, clean(content), limit)


def _prose(part: Text | Code | Note, content: str, limit: int) -> list[Block]:
    if not content.strip():
        return []
    match part:
        case Text():
            return [_paragraph(shorten_middle(content, limit))]
        case Code():
            return [_preformatted(shorten_middle(content, limit))]
        case Note():
            return [_note(shorten(content, min(limit, SECTION)))]


def _rich(kind: str, elements: list[Block]) -> Block:
    return {"type": "rich_text", "elements": [{"type": kind, "elements": elements}]}


def _preformatted(content: str) -> Block:
    return _rich("rich_text_preformatted", list(_texts(content)))


def _paragraph(content: str) -> Block:
    elements: list[Block] = []
    end = 0
    for address in _WEB.finditer(content):
        elements += _texts(content[end : address.start()])
        elements.append({"type": "link", "url": shorten(address[0], URL)})
        end = address.end()
    elements += _texts(content[end:])
    return _rich("rich_text_section", elements)


def _texts(content: str) -> Iterator[Block]:
    for start in range(0, len(content), SECTION):
        yield {"type": "text", "text": content[start : start + SECTION]}


def _link(label: str, url: str, limit: int) -> Block:
    if _WEB.match(url) and width(url) <= min(limit, URL):
        label = shorten(label, max(limit - width(url), 1))
        return {"type": "link", "url": url, "text": label or url}
    return {"type": "text", "text": shorten(f"{label}: {url}", limit)}


def _note(content: str) -> Block:
    element = {"type": "plain_text", "text": escape(content), "emoji": False}
    return {"type": "context", "elements": [element]}


def _field_need(label: str, value: str) -> int:
    return min(width(label) + width(value) + 3, FIELD)


def _fields(items: Sequence[tuple[str, str]], limit: int) -> list[Block]:
    limits = shares([_field_need(*item) for item in items], limit)
    fields = [_field(*item, room) for item, room in zip(items, limits, strict=True)]
    return [
        {"type": "section", "fields": fields[start : start + FIELDS_IN_SECTION]}
        for start in range(0, len(fields), FIELDS_IN_SECTION)
    ]


def _field(label: str, value: str, limit: int) -> Block:
    label = shorten(_line(label), _LABEL) or "–"
    value = shorten(clean(value), max(limit - width(label) - 3, 1)) or "–"
    # verbatim: Slack makes no mentions and channels of words that look like them
    content = f"*{escape(label)}*\n{escape(value)}"
    return {"type": "mrkdwn", "text": content, "verbatim": True}


def _table_text(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return table_text(_row(header), tuple(map(_row, rows)))


def _fitting_rows(header: Sequence[str], rows: Sequence[Sequence[str]], limit: int) -> str:
    whole = _table_text(header, rows)
    if width(whole) <= limit:
        return whole
    lines, room, kept = whole.split("\n"), limit - _MORE_ROWS, 0
    while room > 0 and kept < len(lines):
        room -= width(lines[kept]) + 1
        kept += room >= 0
    missing = len(lines) - max(kept, 1)
    return "\n".join([*lines[:kept], f"… {missing:,} more rows"])


def _row(cells: Sequence[str]) -> tuple[str, ...]:
    return tuple(shorten(_line(cell), _CELL) for cell in cells)


def _line(content: str) -> str:
    return " ".join(clean(content).split())
