"""Facts: one event with what is derived from it, computed at most once per event.

Every field that a key, a text or an alert may name is read here by its name. This module
must not know rules.
"""

from functools import cached_property

from pulsebot.event import AppMessage, Crash, Event, Status, Trigger
from pulsebot.fingerprint import fingerprint

FIELDS = (
    "service", "instance", "kind", "name", "error", "message", "exit_code", "signal",
    "fingerprint", "state", "text", "title", "level", "link",
)  # fmt: skip
"""The fields an event can have; tags are `tags.NAME`."""

MAX_VALUE = 500
"""Characters that an alert remembers of one field."""


class Facts:
    """An event, the time it counts for (ms, after clamping), and its fingerprint."""

    def __init__(self, event: Event, time_ms: int) -> None:
        self.event = event
        self.time_ms = time_ms

    @cached_property
    def fingerprint(self) -> str:
        """The identity of a crash; empty for every other kind."""
        return fingerprint(self.event) if isinstance(self.event, Crash) else ""

    @property
    def weight(self) -> int:
        """How many occurrences the event stands for."""
        return self.event.data.count if isinstance(self.event, Trigger) else 1

    def value(self, field: str) -> str:
        """Return a field as text; empty where this event has none."""
        if field == "service":
            return self.event.service
        if field == "instance":
            return self.event.instance or ""
        if field == "fingerprint":
            return self.fingerprint
        if field.startswith("tags."):
            return self.event.data.tags.get(field[5:], "")
        if field == "kind":
            return self.event.kind.value
        found = getattr(self.event.data, field, None)
        return "" if found is None else str(found)

    def values(self) -> dict[str, str]:
        """Return every field that has a value, each shortened to `MAX_VALUE` characters."""
        named = {field: self.value(field)[:MAX_VALUE] for field in FIELDS}
        return {field: value for field, value in named.items() if value}


KINDS: dict[str, type[Trigger | Crash | Status | AppMessage]] = {
    cls.kind.value: cls for cls in (Trigger, Crash, Status, AppMessage)
}
"""The event class of each kind."""
