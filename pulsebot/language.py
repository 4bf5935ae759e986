"""The words that every part of a rule file is made of: strict models, lists, durations, ids.

Strict means: nothing is coerced. YAML's `true` is not 1, a bare 5 is not the text "5", and a
key that is not known is an error. This module must not know rules, routes or files.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from pulsebot.civil import zone_of
from pulsebot.errors import InvalidInput
from pulsebot.timespan import parse_duration

T = TypeVar("T")

MAX_SPAN_MS = 400 * 86_400_000
"""Longest duration in a rule; no count is kept for longer."""


class Model(BaseModel):
    """A part of a rule file."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True
    )


def _listed(value: object) -> object:
    """Take one value for a list of one."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _items(value: object) -> object:
    if not isinstance(value, list | tuple):
        raise ValueError("must be a list, each item on its own `- `")  # noqa: TRY004 - pydantic reports ValueErrors only
    return tuple(value)


def _offset(value: object) -> int:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a duration; write it like 90s, 10m or 1h30m")  # noqa: TRY004 - pydantic reports ValueErrors only
    ms = _refusing(parse_duration, value) // timedelta(milliseconds=1)
    if ms > MAX_SPAN_MS:
        raise ValueError(f"{value} is longer than {MAX_SPAN_MS // 86_400_000} days")
    return ms


def _span(value: object) -> int:
    if (ms := _offset(value)) == 0:
        raise ValueError(f"{value} is no time at all")
    return ms


def _zone(value: str) -> str:
    return _refusing(zone_of, value).key


def _refusing(parse: Callable[[str], T], text: str) -> T:
    """Call `parse`; its InvalidInput becomes the ValueError that pydantic collects."""
    try:
        return parse(text)
    except InvalidInput as error:
        raise ValueError(str(error)) from None


def _key_field(value: object) -> str:
    if isinstance(value, dict) and set(value) == {"tag"} and isinstance(value["tag"], str):
        return f"tags.{value['tag']}"
    if isinstance(value, str) and value in KEY_FIELDS:
        return value
    raise ValueError(
        f"{value!r} cannot make a key; use {', '.join(KEY_FIELDS)}, or {{tag: NAME}} for a tag"
    )


KEY_FIELDS = ("service", "instance", "fingerprint", "error", "name", "level")
"""What a condition can be kept apart by, besides tags."""

Many = Annotated[tuple[T, ...], BeforeValidator(_listed), Field(min_length=1)]
"""One value or a list of them; a list means OR."""

Items = Annotated[tuple[T, ...], BeforeValidator(_items)]
"""A list that must be written as one."""

Span = Annotated[int, BeforeValidator(_span)]
"""A duration such as `10m`, held in milliseconds; not zero."""

Offset = Annotated[int, BeforeValidator(_offset)]
"""A duration that may be zero, held in milliseconds."""

Zone = Annotated[str, AfterValidator(_zone)]
"""An IANA time zone."""

Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,99}$")]
"""The name of a rule or digest."""

KeyField = Annotated[str, BeforeValidator(_key_field)]
"""A field of a condition's `by`; a tag, written `{tag: env}`, is held as `tags.env`."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
Value = Annotated[str, StringConstraints(min_length=1, max_length=500)]
