"""Telegram's reading of HTML messages: what is shown, or why it is refused.

After https://core.telegram.org/bots/api#html-style: a small set of tags, every other `<`
escaped, tags properly nested.
"""

import html
import re
from dataclasses import dataclass

TAGS = frozenset(
    {"b", "strong", "i", "em", "u", "ins", "s", "strike", "del", "code", "pre", "a", "blockquote"}
)
_TOKEN = re.compile(
    r"<(?P<close>/?)(?P<tag>[a-zA-Z-]+)(?P<rest>[^<>]*)>|(?P<bare><)|(?P<text>[^<]+)"
)


class Refused(Exception):
    """Hold the words of a 400 answer."""


@dataclass(frozen=True, slots=True)
class Entity:
    """One marked piece of the shown text; `url` for links."""

    tag: str
    text: str
    url: str = ""


def parse(text: str) -> tuple[str, tuple[Entity, ...]]:
    """Return the shown text and its marked pieces; raises Refused as Telegram would."""
    shown, entities, open_tags = "", [], []
    for token in _TOKEN.finditer(text):
        if token["bare"]:
            raise Refused(
                f"can't parse entities: Unsupported start tag at byte offset {token.start()}"
            )
        if token["text"]:
            shown += html.unescape(token["text"])
        elif token["close"]:
            if not open_tags or open_tags[-1][0] != token["tag"].lower():
                raise Refused(
                    f"can't parse entities: Unmatched end tag at byte offset {token.start()}"
                )
            tag, start, url = open_tags.pop()
            entities.append(Entity(tag, shown[start:], url))
        else:
            open_tags.append(_opened(token, len(shown)))
    if open_tags:
        tag = open_tags[-1][0]
        raise Refused(f"can't parse entities: Can't find end tag corresponding to start tag {tag}")
    return shown, tuple(entities)


def _opened(token: re.Match[str], at: int) -> tuple[str, int, str]:
    tag = token["tag"].lower()
    if tag not in TAGS:
        raise Refused(
            f'can\'t parse entities: Unsupported start tag "{tag}" at byte offset {token.start()}'
        )
    link = re.fullmatch(r'\s+href="([^"]*)"', token["rest"])
    if token["rest"].strip() and not link:
        raise Refused(f"can't parse entities: Unexpected attribute at byte offset {token.start()}")
    return tag, at, html.unescape(link[1]) if link else ""
