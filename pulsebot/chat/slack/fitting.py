"""Makes text fit into what Slack takes: control characters, escaping, lengths.

Knows nothing of messages or blocks. Lengths are *widths*: UTF-16 units after escaping, the
largest of the ways in which Slack may count, so that what fits here fits there. Text is
shortened before it is escaped, so that no entity is ever cut in two.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence

_ESCAPED = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}  # the ampersand first
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_CUT = "\n… {:,} characters left out …\n"
_CUT_ROOM = 60


def clean(text: str) -> str:
    """Take out control characters but line breaks and tabs, and what is no Unicode text."""
    return _CONTROLS.sub("", text).encode(errors="replace").decode()


def escape(text: str) -> str:
    """Escape the three characters that Slack parses: no mention, channel or link survives.

    https://docs.slack.dev/messaging/formatting-message-text#escaping
    """
    for char, entity in _ESCAPED.items():
        text = text.replace(char, entity)
    return text


def width(text: str) -> int:
    """Return how much room a text takes, in UTF-16 units after escaping."""
    units = len(text.encode("utf-16-le", "surrogatepass")) // 2
    return units + sum(text.count(char) * (len(_ESCAPED[char]) - 1) for char in _ESCAPED)


def shorten(text: str, limit: int) -> str:
    """Return the beginning of a text in at most `limit` of width, with an ellipsis if cut."""
    head = _head(text, limit)
    return text if head == text else _head(text, limit - 1) + "…"


def shorten_middle(text: str, limit: int) -> str:
    """Return a text in at most `limit` of width: both ends of a stack trace matter."""
    if _head(text, limit) == text:
        return text
    if limit < 2 * _CUT_ROOM:
        return shorten(text, limit)
    room = limit - _CUT_ROOM
    head = _head(text, room // 2)
    tail = _head(text[: -room - 1 : -1], room // 2)[::-1]
    return head + _CUT.format(len(text) - len(head) - len(tail)) + tail


def shares(needs: Sequence[int], total: int) -> list[int]:
    """Divide a total: small needs are met, what is left is shared equally by the large."""
    granted = [0] * len(needs)
    by_need = sorted(range(len(needs)), key=needs.__getitem__)
    for place, index in enumerate(by_need):
        granted[index] = min(needs[index], total // (len(needs) - place))
        total -= granted[index]
    return granted


def _head(text: str, limit: int) -> str:
    text = text[: max(limit, 0)]  # nothing is narrower than 1
    if width(text) <= limit:
        return text
    places = range(len(text) + 1)
    return text[: bisect_right(places, limit, key=lambda place: width(text[:place])) - 1]
