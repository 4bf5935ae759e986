"""Functions of texts; what they give has MAX_STRING characters at the most."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from pulsebot.views.value import MAX_STRING, text_of

Value = Any


def substring(text: str, start: int, length: int = MAX_STRING) -> str:
    """Return a part of a text; positions count from 1, negative ones from the end."""
    begin = start - 1 if start > 0 else max(len(text) + start, 0)
    return text[begin : begin + max(length, 0)]


def concat(*parts: Value) -> str:
    """Put values together; NULL is left out."""
    return "".join(text_of(part) for part in parts if part is not None)[:MAX_STRING]


def concat_ws(separator: str | None, *parts: Value) -> str | None:
    """Put values together with a separator; NULL is left out."""
    if separator is None:
        return None
    return separator.join(text_of(part) for part in parts if part is not None)[:MAX_STRING]


def replaced(text: str, old: str, new: str) -> str:
    """Replace, as long as the result cannot be huge."""
    if old and text.count(old) * len(new) > MAX_STRING:
        raise ValueError
    return text.replace(old, new)[:MAX_STRING] if old else text


def padded(*, left: bool) -> Callable[[str, int, str], str | None]:
    """Return LPAD or RPAD: to a length, cut where the text is longer."""

    def pad(text: str, length: int, padding: str) -> str | None:
        if not (padding and 0 <= length <= MAX_STRING):
            return None
        missing = max(length - len(text), 0)
        fill = (padding * (missing // len(padding) + 1))[:missing]
        return (fill + text if left else text + fill)[:length]

    return pad


def split(text: str, separator: str) -> list[str]:
    """Return the parts between separators; all characters where the separator is empty."""
    return text.split(separator, MAX_STRING) if separator else list(text)[:MAX_STRING]


def split_to_map(text: str, entries: str, key: str) -> dict[str, str]:
    """Return `a=1;b=2` as a map; the last of equal keys counts."""
    pairs = [part.partition(key) for part in text.split(entries, MAX_STRING)]
    return {name: value for name, found, value in pairs if found}


def masked(text: str) -> str:
    """Hide letters and digits: `X`, `x` and `n`; anything else is `-`."""
    return "".join(map(_masked, text[:MAX_STRING]))


def _masked(character: str) -> str:
    if character.isdigit():
        return "n"
    if character.isalpha():
        return "X" if character.isupper() else "x"
    return "-"


def url_part(name: str) -> Callable[[str], str | None]:
    """Return what takes `hostname`, `path`, `query` or `scheme` out of an address."""
    return lambda text: getattr(urlsplit(text), name) or None
