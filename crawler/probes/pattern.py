"""Regular expressions of a settings file, on RE2: linear in time on any input.

RE2 has no look-around and no back-references; a pattern that needs them is refused with a
word that says so.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Protocol, cast

import re2  # type: ignore[import-untyped]
from pydantic import BeforeValidator, InstanceOf

MAX_PATTERN = 2_000


class Match(Protocol):
    """A place where a pattern was found."""

    def groupdict(self) -> Mapping[str, str | None]:
        """Return the text of each named group, None where it took no part."""


class Pattern:
    """A compiled pattern."""

    def __init__(self, text: str) -> None:
        options = re2.Options()
        options.log_errors = False
        options.max_mem = 16 * 1024 * 1024
        self.text = text
        try:
            self._compiled: Any = re2.compile(text, options)
        except re2.error as error:
            why = error.args[0].decode("utf-8", "replace") if error.args else "not valid"
            raise ValueError(
                f"not a regular expression that RE2 takes ({why}); "
                "look-around and back-references are not supported"
            ) from None
        self.groups: frozenset[str] = frozenset(self._compiled.groupindex)

    def search(self, text: str) -> Match | None:
        """Return the first match anywhere in the text."""
        return cast("Match | None", self._compiled.search(text))


def _compile(value: object) -> object:
    if not isinstance(value, str):
        return value
    if len(value) > MAX_PATTERN:
        raise ValueError(f"longer than {MAX_PATTERN} characters")
    return Pattern(value)


Regex = Annotated[InstanceOf[Pattern], BeforeValidator(_compile)]
