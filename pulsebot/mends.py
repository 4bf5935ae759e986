"""What is wrong with a file's values, in words: the fault and its mend.

Pydantic finds the faults of settings and rules; here its errors become sentences. This module
must not know what any key means, nor read files.
"""

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic_core import ErrorDetails

from pulsebot.yamltree import Loc


def real_path(values: Any, error: ErrorDetails) -> Loc:  # noqa: ANN401 - a YAML value is anything
    """Return where a fault is, without what pydantic adds: a union's tag, an index into one value.

    A key that is missing is part of its path.
    """
    path: list[str | int] = []
    loc = error["loc"]
    for index, part in enumerate(loc):
        if isinstance(part, int):
            there = isinstance(values, list) and part < len(values)
        else:
            there = isinstance(values, dict) and part in values
        if there:
            values = values[part]
        if there or (error["type"] == "missing" and index == len(loc) - 1):
            path.append(part)
    return tuple(path)


def unknown_key(name: str, known: Iterable[str]) -> str:
    """Say that there is no such key (a name or a dotted path), and which one may be meant."""
    names = list(known)
    key = name.rpartition(".")[2]
    if key in names:  # of another member of a union
        return f"`{name}` does not go with this `type`"
    if close := get_close_matches(key, names, n=1):
        return f"`{name}` is not a known key; did you mean `{close[0]}`?"
    there = f" (there are {', '.join(names)})" if names else ""
    return f"`{name}` is not a known key; remove it{there}"


def wrong_word(name: str, given: object, allowed: str) -> str:
    """Say that a word is none of pydantic's quoted list."""
    if " or " not in allowed and ", " not in allowed:
        return f"`{name}`: must be {plain_words(allowed)}, not {given!r}"
    words = plain_words(allowed).replace(" or ", ", ").split(", ")
    close = get_close_matches(str(given), words, n=1)
    hint = f"; did you mean `{close[0]}`?" if close else ""
    return f"`{name}`: {given!r} is not one of {plain_words(allowed)}{hint}"


def plain_words(allowed: str) -> str:
    """Return pydantic's list of words without its quotes."""
    return allowed.replace("'", "")


def mend(error: ErrorDetails, *, secret: bool = False) -> str:
    """Say what a value must be; where it may be a `secret`, without showing it."""
    context: Mapping[str, Any] = error.get("ctx") or {}
    if said := _BOUNDS.get(error["type"]):
        return said(context)
    if error["type"] in {"string_type", "path_type"}:
        return _not_a_text(error["input"], secret=secret)
    if wanted := _WANTED.get(error["type"]):
        return f"must be {wanted}" + _not_this(error["input"], secret=secret)
    if error["type"] == "string_pattern_mismatch":
        return f"{error['input']!r} may have only the characters a-z, 0-9 and - (100 at most)"
    if error["type"] == "timezone_aware":
        return f"{error['input']} lacks its zone; add Z or an offset like +02:00"
    return error["msg"].removeprefix("Value error, ")


_WANTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "model_type": "a mapping of `key: value`",
    "model_attributes_type": "a mapping of `key: value`",
    "dict_type": "a mapping of `key: value`",
    "mapping_type": "a mapping of `key: value`",
}
"""What must stand at a place, by pydantic's type of error."""

_BOUNDS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "greater_than": lambda context: f"must be more than {_number(context['gt'])}",
    "greater_than_equal": lambda context: f"must be at least {_number(context['ge'])}",
    "less_than": lambda context: f"must be less than {_number(context['lt'])}",
    "less_than_equal": lambda context: f"must be at most {_number(context['le'])}",
    "too_short": lambda _: "must not be empty",
    "too_long": lambda context: f"may have {context['max_length']:,} entries at most",
    "string_too_short": lambda _: "must not be an empty text",
    "string_too_long": lambda context: f"is longer than {context['max_length']:,} characters",
}
"""What to say of a value beyond a bound."""


def _number(bound: float) -> str:
    return f"{int(bound) if bound == int(bound) else bound:,}"


def _not_a_text(given: object, *, secret: bool) -> str:
    if given is None or isinstance(given, dict | list | tuple):
        return "must be a text" + _not_this(given, secret=secret)
    if secret:
        return "must be a text; put it in quotes"
    return f'{_shown(given)} is not a text; put it in quotes: "{_shown(given)}"'


def _not_this(value: object, *, secret: bool) -> str:
    if isinstance(value, dict):
        return ", not a mapping"
    if isinstance(value, list | tuple):
        return ", not a list"
    if value is None:
        return ", not nothing"
    return "" if secret else f", not {_shown(value)}"


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)[:60]
