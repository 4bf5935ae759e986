"""Functions of patterns, by RE2: linear in time, so no look-around and no back references."""

import re
from functools import lru_cache
from typing import Any

import re2  # type: ignore[import-untyped]

from pulsebot.views.value import MAX_STRING

MAX_PATTERN = 1_000
"""Characters of a pattern, and of what replaces what it finds."""

_options = re2.Options()
_options.log_errors = False

_TOLD = {
    "invalid perl operator": "look-around is not supported: a pattern is matched in linear time",
    "invalid escape sequence": "no such escape; back references are not supported",
}


@lru_cache(maxsize=256)
def compiled(pattern: str) -> Any:
    """Return a pattern ready to match; raises ValueError in words where it is none."""
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"a pattern may have {MAX_PATTERN} characters")
    try:
        return re2.compile(pattern, _options)
    except re2.error as error:
        said = error.args[0].decode(errors="replace") if error.args else "no pattern"
        known = next((told for words, told in _TOLD.items() if said.startswith(words)), said)
        raise ValueError(f"{known}, at {said.rpartition(': ')[2]!r}") from None


def like(text: str, pattern: str) -> bool:
    """Tell whether a pattern is found anywhere in a text."""
    return compiled(pattern).search(text) is not None


def extract(pattern: str, text: str, group: int = 0) -> str | None:
    """Return what a pattern, or a group of it, first finds."""
    found = compiled(pattern).search(text)
    return found.group(group) if found else None


def extract_all(pattern: str, text: str, group: int = 0) -> list[str | None]:
    """Return all that a pattern, or a group of it, finds in MAX_STRING characters."""
    return [found.group(group) for found in compiled(pattern).finditer(text[:MAX_STRING])]


def replaced(text: str, pattern: str, new: str) -> str:
    """Replace what a pattern finds; `$1` in the new text is the first group."""
    if len(new) > MAX_PATTERN:
        raise ValueError
    template = re.sub(r"\$(\d)", r"\\\1", new.replace("\\", "\\\\"))
    most = MAX_STRING // max(len(new), 1) + 1
    return str(compiled(pattern).sub(template, text[:MAX_STRING], most))[:MAX_STRING]


def split(text: str, pattern: str) -> list[str | None]:
    """Return the parts between what a pattern finds."""
    matcher, text = compiled(pattern), text[:MAX_STRING]
    parts, last = [], 0
    for found in matcher.finditer(text):
        if found.end() > found.start():
            parts.append(text[last : found.start()])
            last = found.end()
    return [*parts, text[last:]]
