"""What the apps said."""

from typing import Annotated
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct

from pulsebot.commands.base import Question
from pulsebot.store import messages as said
from pulsebot.store.database import Connection
from pulsebot.store.messages import Kept
from pulsebot.web.api.base import (
    AsOf,
    Parameters,
    Service,
    Span,
    Time,
    Window,
    as_of,
    service_of,
    span_of,
    time_of,
    window,
)


class Asked(Parameters, frozen=True, kw_only=True):
    """Which service, when, and how many messages to tell."""

    service: Service
    window: Span = "7d"
    limit: Annotated[int, Meta(ge=1, le=1_000)] = 100


class Message(Struct, frozen=True, kw_only=True):
    """A message as it was said; texts are the app's own, to be escaped wherever they go."""

    at: Time
    level: str
    title: str | None
    text: str
    link: str | None
    instance: str | None


class Messages(Struct, frozen=True, kw_only=True):
    """The messages of a service in a window, newest first."""

    as_of: AsOf
    service: str
    window: Window
    messages: list[Message]


def messages(connection: Connection, question: Question, asked: Asked) -> Messages:
    """Tell what a service said in a window."""
    name, span = service_of(connection, asked.service), span_of(question, asked.window)
    found = said.within(connection, name, span.start_ms, span.end_ms, asked.limit)
    return Messages(
        as_of=as_of(question),
        service=name,
        window=window(span),
        messages=[message(kept, question.zone) for kept in found],
    )


def message(kept: Kept, zone: ZoneInfo) -> Message:
    """Return a message as answers carry it."""
    return Message(
        at=time_of(kept.at_ms, zone),
        level=kept.level,
        title=kept.title,
        text=kept.text,
        link=kept.link,
        instance=kept.instance,
    )
