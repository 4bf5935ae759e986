"""What Slack refuses, as a function: the fake server answers with its verdict.

Limits are those of https://docs.slack.dev/reference/block-kit/blocks and of
chat.postMessage; the one over all blocks is undocumented.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block

Body = Mapping[str, Any]

TEXT = 40_000
ALL_BLOCKS_TEXT = 13_200
BLOCKS = 50


def verdict(body: Body) -> str | None:
    """Return the error code that Slack answers a message with, or None where it takes it."""
    text, blocks = body.get("text") or "", body.get("blocks") or []
    if not text and not blocks:
        return "no_text"
    if len(text) > TEXT:
        return "msg_too_long"
    if len(blocks) > BLOCKS or any(fault(block) for block in blocks):
        return "invalid_blocks"
    if sum(len(piece) for block in blocks for piece in texts(block)) > ALL_BLOCKS_TEXT:
        return "msg_blocks_too_long"
    return None


def texts(node: object) -> Iterator[str]:
    """Yield every text of a block, in reading order."""
    if isinstance(node, Mapping):
        if isinstance(node.get("text"), str):
            yield node["text"]
        elif node.get("type") == "link":
            yield node["url"]
        for value in node.values():
            yield from texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from texts(value)


def shown(body: Body) -> str:
    """Return what a person reads: of the blocks where there are any, entities decoded."""
    lines = [_line(block) for block in body.get("blocks") or []]
    return "\n".join(lines) if lines else unescape(body.get("text") or "")


def unescape(text: str) -> str:
    """Decode the three entities that Slack decodes."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _line(block: Body) -> str:
    if block["type"] == "rich_text":  # literal: Slack decodes nothing in it
        return "".join(texts(block))
    return "\n".join(map(unescape, texts(block)))


def fault(block: Body) -> str | None:
    """Return what is wrong with a block, or None."""
    check = _CHECKS.get(str(block.get("type")))
    if check is None:
        return "unknown type of block"
    try:
        parsed = Block.parse_all([block])
        parsed[0].to_dict()
    except SlackObjectFormationError as error:
        return str(error)
    return check(block)


def _text_object(node: Any, limit: int, types: tuple[str, ...]) -> str | None:
    if not isinstance(node, Mapping) or node.get("type") not in types:
        return f"must be a text object of {types}"
    if not 1 <= len(node.get("text", "")) <= limit:
        return f"must be 1 to {limit} characters long"
    return None


_EITHER = ("plain_text", "mrkdwn")


def _header(block: Body) -> str | None:
    return _text_object(block.get("text"), 150, ("plain_text",))


def _section(block: Body) -> str | None:
    fields = block.get("fields")
    if fields is None:
        return _text_object(block.get("text"), 3_000, _EITHER)
    if not 1 <= len(fields) <= 10:
        return "1 to 10 fields"
    return next(filter(None, (_text_object(field, 2_000, _EITHER) for field in fields)), None)


def _context(block: Body) -> str | None:
    elements = block.get("elements", [])
    if not 1 <= len(elements) <= 10:
        return "1 to 10 elements"
    return next(filter(None, (_text_object(one, 3_000, _EITHER) for one in elements)), None)


def _rich_text(block: Body) -> str | None:
    for element in block.get("elements", []):
        if element.get("type") not in {"rich_text_section", "rich_text_preformatted"}:
            return "unknown element"
        for piece in element.get("elements", []):
            if not piece.get("text") and not piece.get("url"):
                return "empty text"
    return None if block.get("elements") else "no elements"


_CHECKS: dict[str, Callable[[Body], str | None]] = {
    "context": _context,
    "divider": lambda _: None,
    "header": _header,
    "rich_text": _rich_text,
    "section": _section,
}
