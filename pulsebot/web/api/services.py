"""All services: how each is doing."""

from typing import Annotated

from msgspec import Meta, Struct

from pulsebot.commands.base import Question
from pulsebot.commands.status import Standing, stale, standings
from pulsebot.store import alerts, tags
from pulsebot.store.database import Connection
from pulsebot.web.api.base import (
    AsOf,
    Parameters,
    Time,
    as_of,
    when,
)


class Asked(Parameters, frozen=True, kw_only=True):
    """How many services to tell of."""

    limit: Annotated[int, Meta(ge=1, le=10_000)] = 1_000


class ServiceLine(Struct, frozen=True, kw_only=True):
    """One service; what only a status tells is null where none ever came."""

    service: str
    state: Annotated[str | None, Meta(description="The worst state of its instances.")]
    since: Time | None
    seen: Annotated[Time | None, Meta(description="When a status last came.")]
    stale: Annotated[bool, Meta(description="The status is too old to go by.")]
    up: int
    instances: int
    alerts: Annotated[list[str], Meta(description="Severities of the alerts that fire.")]
    tags: dict[str, str]


class Services(Struct, frozen=True, kw_only=True):
    """The services, those in the worst state first, those without a status last."""

    as_of: AsOf
    total: int
    services: list[ServiceLine]


def services(connection: Connection, question: Question, asked: Asked) -> Services:
    """Tell the running status of all services."""
    ranked, silent = standings(connection)
    firing, tagged = alerts.firing(connection), tags.by_service(connection)
    every: list[Standing | None] = [*ranked, *(None for _ in silent)]
    names = [*(standing.service for standing in ranked), *silent]
    lines = [
        _line(name, standing, question, firing.get(name, []), tagged.get(name, {}))
        for name, standing in zip(names[: asked.limit], every[: asked.limit], strict=True)
    ]
    return Services(as_of=as_of(question), total=len(names), services=lines)


def _line(
    name: str,
    standing: Standing | None,
    question: Question,
    firing: list[str],
    tagged: dict[str, str],
) -> ServiceLine:
    return ServiceLine(
        service=name,
        state=standing.state if standing else None,
        since=when(standing.since_ms if standing else None, question.zone),
        seen=when(standing.seen_ms if standing else None, question.zone),
        stale=standing is not None and stale(standing.seen_ms, question.now_ms),
        up=standing.up if standing else 0,
        instances=standing.instances if standing else 0,
        alerts=sorted(firing),
        tags=tagged,
    )
