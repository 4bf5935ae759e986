"""How often services crashed, and of what."""

from typing import Annotated

from msgspec import Meta, Struct

from pulsebot.commands import crashes as command
from pulsebot.commands.base import Question
from pulsebot.store import crashes as kept
from pulsebot.store.crashes import Group as Found
from pulsebot.store.database import Connection
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
    """When, and how many services to tell of."""

    window: Span = "today"
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 1_000


class AskedOfOne(Parameters, frozen=True, kw_only=True):
    """Which service, when, and how many groups to tell of."""

    service: Service
    window: Span = "today"
    limit: Annotated[int, Meta(ge=1, le=100)] = 40


class CrashedService(Struct, frozen=True):
    """A service that crashed, and how often."""

    service: str
    count: int


class Crashes(Struct, frozen=True, kw_only=True):
    """The services that crashed in a window, most crashes first."""

    as_of: AsOf
    window: Window
    count: int
    total: Annotated[int, Meta(description="How many services crashed.")]
    services: list[CrashedService]


class CrashGroup(Struct, frozen=True, kw_only=True):
    """Crashes that are the same one; `stack` is the latest's, null where none was told."""

    fingerprint: str
    error: str
    message: str | None
    count: int
    first: Annotated[Time, Meta(description="The first ever.")]
    last: Time
    stack: str | None


class CrashesOfOne(Struct, frozen=True, kw_only=True):
    """The crashes of one service in a window, the most frequent first."""

    as_of: AsOf
    service: str
    window: Window
    count: int
    groups: list[CrashGroup]


def crashes(connection: Connection, question: Question, asked: Asked) -> Crashes:
    """Count the crashes of all services in a window."""
    span = span_of(question, asked.window)
    ranked = command.ranking(connection, question, span)
    return Crashes(
        as_of=as_of(question),
        window=window(span),
        count=sum(count for _, count in ranked),
        total=len(ranked),
        services=[CrashedService(name, count) for name, count in ranked[: asked.limit]],
    )


def of_one(connection: Connection, question: Question, asked: AskedOfOne) -> CrashesOfOne:
    """Count the crashes of a service in a window, by what it crashed of."""
    name, span = service_of(connection, asked.service), span_of(question, asked.window)
    count, groups = command.grouped(connection, question, name, span, asked.limit)
    return CrashesOfOne(
        as_of=as_of(question),
        service=name,
        window=window(span),
        count=count,
        groups=[_group(connection, question, group) for group in groups],
    )


def _group(connection: Connection, question: Question, group: Found) -> CrashGroup:
    samples = kept.samples(connection, group.service, group.fingerprint)
    return CrashGroup(
        fingerprint=group.fingerprint,
        error=group.error,
        message=group.message,
        count=group.count,
        first=time_of(group.first_ms, question.zone),
        last=time_of(group.last_ms, question.zone),
        stack=samples[0].stack if samples else None,
    )
