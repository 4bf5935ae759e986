"""The errors that pulsebot raises on purpose.

One tree, so that each edge can catch exactly what it is able to handle::

    PulsebotError
    ├── InvalidInput      somebody gave us something unusable: says where, what, and the mend
    │   ├── InvalidEvent  … on the stream (goes to the dead-letter table)
    │   └── InvalidConfig … in a settings or rule file (lists every problem at once)
    ├── StreamError       the stream cannot be read or written just now
    │   └── OffsetLost    … the asked position is no longer retained
    ├── StoreError        the database cannot be used
    └── ChatError         a chat platform did not take a message
        ├── Retryable     … try again after a while
        └── Permanent     … trying again cannot help

This module knows nothing of the rooms that raise these.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class PulsebotError(Exception):
    """Base of every error that pulsebot raises on purpose."""


class InvalidInput(PulsebotError):
    """Report unusable input: the text names the place, the fault and the mend."""


class InvalidEvent(InvalidInput):
    """Report a record that is not an event pulsebot understands."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One fault in a file: `line` and `column` are 1-based, 0 where the fault has none."""

    file: str
    line: int
    message: str
    column: int = 0

    def __str__(self) -> str:
        places = [self.file, *(str(part) for part in (self.line, self.column) if part)]
        return f"{':'.join(places)}: {self.message}"


class InvalidConfig(InvalidInput):
    """Report every problem of a settings or rule file at once, in file and line order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(map(str, self.problems)))


class StreamError(PulsebotError):
    """Report that the stream cannot be read or written at the moment."""


class OffsetLost(StreamError):
    """Report that a stored position is no longer retained by the log."""


class StoreError(PulsebotError):
    """Report that the database cannot be opened, migrated or written."""


class ChatError(PulsebotError):
    """Base of the two ways in which a chat platform refuses a message."""


class Retryable(ChatError):
    """Ask for another attempt.

    `after` is in seconds: the platform's own Retry-After where it gave one, else None
    (the caller backs off). `whole_destination` is true where the platform asks us to pause
    everything to that destination (HTTP 429), not only this message. `sent_unknown` is true
    where the connection broke after the request went out, so the message may have arrived.
    `mend` is true where only a person can mend it, as with a token that is no longer valid: the
    admin receiver hears of it at once, and the message waits.
    """

    def __init__(
        self,
        reason: str,
        *,
        after: float | None = None,
        whole_destination: bool = False,
        sent_unknown: bool = False,
        mend: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after = after
        self.whole_destination = whole_destination
        self.sent_unknown = sent_unknown
        self.mend = mend


class Permanent(ChatError):
    """State that no further attempt can succeed.

    `unformatted` is true where the platform refused only the markup or the length, so the
    same text may be sent again as plain text. `moved_to` is the destination's new name
    where the platform told us one (a Telegram group that became a supergroup).
    """

    def __init__(
        self, reason: str, *, unformatted: bool = False, moved_to: str | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.unformatted = unformatted
        self.moved_to = moved_to
