"""Functions of JSON, lists and maps. A text of JSON that is none gives NULL."""

from typing import Any

import msgspec

from pulsebot.views.value import MAX_STRING, canonical, rank, text_of

Value = Any


def field(document: Value, path: str) -> str | None:
    """Return what is at a path such as `$.a.b[0]`, as text."""
    value = _tree(document)
    for part in _steps(path):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return None if value is None else text_of(value)


def check_path(path: str) -> None:
    """Refuse what is no path."""
    if not path.startswith("$"):
        raise ValueError("a path begins with $, as in '$.error.code' or '$.items[0]'")


def is_json(text: str) -> bool:
    """Tell whether a text is JSON."""
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def array_length(document: Value) -> int | None:
    """Return how many elements a list of JSON has."""
    tree = _tree(document)
    return len(tree) if isinstance(tree, list) else None


def keys(document: Value) -> list[str] | None:
    """Return the names of an object of JSON, sorted."""
    tree = _tree(document)
    return sorted(tree) if isinstance(tree, dict) else None


def to_json(value: Value) -> str:
    """Return a value as JSON."""
    return canonical(value)[:MAX_STRING]


def contains(items: list[Value], item: Value) -> bool:
    """Tell whether a list has a value; true is not 1."""
    return any(
        other == item and isinstance(other, bool) == isinstance(item, bool) for other in items
    )


def joined(items: list[Value], separator: str = ",") -> str:
    """Put a list's values together; NULL is left out."""
    return separator.join(text_of(item) for item in items if item is not None)[:MAX_STRING]


def greatest(items: list[Value]) -> Value:
    """Return the greatest value of a list; NULL of an empty one."""
    return max((item for item in items if item is not None), key=rank, default=None)


def least(items: list[Value]) -> Value:
    """Return the smallest value of a list; NULL of an empty one."""
    return min((item for item in items if item is not None), key=rank, default=None)


def values(entries: dict[str, Value]) -> list[Value]:
    """Return a map's values, by the order of its keys."""
    return [entries[name] for name in sorted(entries)]


def _tree(document: Value) -> Value:
    return msgspec.json.decode(document) if isinstance(document, str) else document


def _steps(path: str) -> list[str]:
    steps = path.removeprefix("$").replace("[", ".").replace("]", "").strip(".")
    return steps.split(".") if steps else []
