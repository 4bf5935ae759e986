"""Who an event is about, and how loose input from an app becomes a valid event.

Apps and log lines hand over anything; what leaves here fits the limits of `pulsebot.event`,
so that no event is refused at the far end because a tag was too long. Nothing raises for
content: what does not fit is shortened, what makes no sense is replaced by its default.

This module must not know where events go, or what time it is.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import get_args

from pulsebot.event import (
    AppMessage,
    Crash,
    CrashData,
    Level,
    MessageData,
    State,
    Status,
    StatusData,
    Trigger,
    TriggerData,
    crash,
    message,
    status,
    trigger,
)

MAX_NAME = 255
MAX_TAGS = 50
MAX_TAG_KEY = 100
MAX_TAG_VALUE = 500
MAX_TEXT = 8_000
MAX_STACK = 64_000
"""Characters of a stack trace; escaped as JSON it stays well below `MAX_EVENT_BYTES`."""
MAX_COUNT = 10**12

LEVELS: tuple[str, ...] = get_args(Level)
_LEVEL_ALIASES = {"warn": "warning", "fatal": "critical", "debug": "info", "err": "error"}


def clean(value: object, limit: int) -> str:
    """Return text that JSON can carry, shortened in its middle to `limit` characters."""
    text = str(value).encode("utf-8", "replace").decode()
    if len(text) <= limit:
        return text
    mark = " … " if limit > 40 else "…"  # noqa: PLR2004 - below this the blanks cost too much
    head = (limit - len(mark)) // 2
    return text[:head] + mark + text[len(text) - (limit - len(mark) - head) :]


def clean_tags(*layers: Mapping[str, object]) -> dict[str, str]:
    """Merge tags, later layers first in rank; at most `MAX_TAGS` of them stay."""
    merged: dict[str, str] = {}
    for layer in layers:
        for key, value in layer.items():
            merged[clean(key, MAX_TAG_KEY)] = clean(value, MAX_TAG_VALUE)
    return dict(list(merged.items())[:MAX_TAGS])


def level_of(value: object) -> Level:
    """Return the level meant by a word such as `WARN`; `info` where it means none."""
    word = str(value).lower()
    word = _LEVEL_ALIASES.get(word, word)
    for level in get_args(Level):
        if word == level:
            return level  # type: ignore[no-any-return]
    return "info"


def state_of(value: object) -> State:
    """Return the state named by `value`; `unknown` where there is no such state."""
    try:
        return State(str(value).lower())
    except ValueError:
        return State.UNKNOWN


def moment(seconds: float) -> datetime:
    """Return a time in UTC from epoch seconds."""
    return datetime.fromtimestamp(seconds, UTC)


def _optional(value: object | None, limit: int) -> str | None:
    return None if value is None else clean(value, limit)


def _amount(value: float | None) -> float | None:
    usable = value is not None and math.isfinite(value) and value >= 0
    return value if usable else None


@dataclass(frozen=True, slots=True)
class Origin:
    """One instance of one service, with the tags that all its events carry."""

    service: str
    instance: str | None = None
    tags: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.service:
            raise ValueError("service must not be empty")
        object.__setattr__(self, "service", clean(self.service, MAX_NAME))
        object.__setattr__(self, "instance", _optional(self.instance, MAX_NAME))

    def trigger(
        self,
        time: datetime,
        *,
        name: object = None,
        count: int = 1,
        duration_ms: float | None = None,
        tags: Mapping[str, object] | None = None,
    ) -> Trigger:
        """Make a trigger event; `count` is held within 1 and 10^12."""
        data = TriggerData(
            name=_optional(name, MAX_NAME),
            count=min(max(int(count), 1), MAX_COUNT),
            duration_ms=_amount(duration_ms),
            tags=clean_tags(self.tags, tags or {}),
        )
        return trigger(self.service, time, data, instance=self.instance)

    def crash(  # noqa: PLR0913 - one parameter per field of the event
        self,
        time: datetime,
        error: object,
        *,
        message: object = None,
        stack: object = None,
        exit_code: int | None = None,
        signal: str | None = None,
        fingerprint: object = None,
        tags: Mapping[str, object] | None = None,
    ) -> Crash:
        """Make a crash event."""
        data = CrashData(
            error=clean(error or "UnknownError", MAX_NAME),
            message=_optional(message, MAX_TEXT),
            stack=_optional(stack, MAX_STACK),
            exit_code=exit_code,
            signal=signal,
            fingerprint=_optional(fingerprint or None, MAX_NAME),
            tags=clean_tags(self.tags, tags or {}),
        )
        return crash(self.service, time, data, instance=self.instance)

    def status(
        self,
        time: datetime,
        state: object,
        *,
        reason: object = None,
        cpu: float | None = None,
        rss: int | None = None,
        uptime_s: float | None = None,
        tags: Mapping[str, object] | None = None,
    ) -> Status:
        """Make a status event: `cpu` in per cent of one core, `rss` in bytes."""
        data = StatusData(
            state=state_of(state),
            reason=_optional(reason, MAX_TEXT),
            cpu=_amount(cpu),
            rss=None if rss is None else max(int(rss), 0),
            uptime_s=_amount(uptime_s),
            tags=clean_tags(self.tags, tags or {}),
        )
        return status(self.service, time, data, instance=self.instance)

    def message(
        self,
        time: datetime,
        text: object,
        *,
        title: object = None,
        level: object = "info",
        link: object = None,
        tags: Mapping[str, object] | None = None,
    ) -> AppMessage:
        """Make an app message."""
        data = MessageData(
            text=clean(text, MAX_TEXT),
            title=_optional(title, MAX_NAME),
            level=level_of(level),
            link=_optional(link, MAX_TEXT),
            tags=clean_tags(self.tags, tags or {}),
        )
        return message(self.service, time, data, instance=self.instance)
