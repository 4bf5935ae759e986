"""Receivers: who can be told, as rule files write it: `console`, or `slack:#crash`.

Which chats are set up, and which targets they know, is told by whoever validates: the
validation context's `chats`.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, ValidationInfo

_RECEIVER = re.compile(r"(?P<chat>[a-z]+)(?::(?P<target>\S{1,200}))?")
_ALONE = "console"
"""The receiver that needs no target."""


@dataclass(frozen=True, slots=True)
class Targets:
    """The names of a chat's targets, and the key of the settings that gives them.

    What matches `literal` is no name, but the platform's own word for a target.
    """

    names: Collection[str]
    key: str
    literal: re.Pattern[str] | None = None

    def fault(self, target: str) -> str | None:
        """Return what is wrong with a target, and the mend; None where nothing is."""
        if target in self.names or (self.literal and self.literal.fullmatch(target)):
            return None
        close = get_close_matches(target, self.names, n=1)
        known = f"there are {', '.join(sorted(self.names))}" if self.names else "there is none yet"
        hint = f"did you mean `{close[0]}`?" if close else known
        return f"there is no `{target}` in `{self.key}` of the settings; {hint}"


Chats = Mapping[str, Targets | None]
"""The chats that are set up, by the word before the colon; None where any target may be good."""


def _written(value: object) -> object:
    if isinstance(value, dict):
        raise ValueError("a receiver is one word, such as slack:#crash (no space after the colon)")  # noqa: TRY004 - pydantic reports ValueErrors only
    return value


def receiver(value: str, chats: Chats | None) -> str:
    """Return a receiver's name; `chats` are those set up (None: not asked). Raises ValueError."""
    found = _RECEIVER.fullmatch(value)
    if not found:
        raise ValueError(
            f"{value!r} is not a receiver; write console, slack:#channel, telegram:name "
            "or webhook:name"
        )
    if found["chat"] == "digest":
        raise ValueError(
            f"`{value}`: holding a message for a digest is not supported in this version; "
            "name a chat"
        )
    if not found["target"] and found["chat"] != _ALONE:
        raise ValueError(f"`{value}` lacks a target, such as {value.rstrip(':')}:name")
    if chats is not None and not chats:
        raise ValueError(
            f"`{value}`: no chat is set up; start with `console: true` in the settings"
        )
    if chats is not None and found["chat"] not in chats:
        raise ValueError(
            f"`{value}`: there is no chat `{found['chat']}` in the settings; "
            f"there are {', '.join(sorted(chats))}"
        )
    targets = chats.get(found["chat"]) if chats else None
    if targets and (fault := targets.fault(found["target"])):
        raise ValueError(f"`{value}`: {fault}")
    return value


def _receiver(value: str, info: ValidationInfo) -> str:
    return receiver(value, (info.context or {}).get("chats"))


Receiver = Annotated[str, AfterValidator(_receiver), BeforeValidator(_written)]
"""A receiver's name."""
