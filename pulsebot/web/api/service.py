"""One service: its instances, its counts of today, its last message and its latest changes."""

from typing import Annotated
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct

from pulsebot.commands.base import Question
from pulsebot.commands.status import counted_today, latest_changes, stale, worst
from pulsebot.store import messages as said
from pulsebot.store import services, statuses, tags
from pulsebot.store import statuses as told
from pulsebot.store.database import Connection
from pulsebot.web.api.base import (
    AsOf,
    Parameters,
    Service,
    Time,
    Window,
    as_of,
    service_of,
    span_of,
    time_of,
    window,
)
from pulsebot.web.api.messages import Message, message

MAX_INSTANCES = 10_000


class Asked(Parameters, frozen=True, kw_only=True):
    """Which service."""

    service: Service


class Instance(Struct, frozen=True, kw_only=True):
    """The latest status of one instance; null is what it did not tell."""

    instance: Annotated[str, Meta(description="Empty where the service tells none.")]
    state: str
    reason: str | None
    since: Time
    seen: Time
    stale: Annotated[bool, Meta(description="The status is too old to go by.")]
    cpu: Annotated[float | None, Meta(description="Per cent of one core.")]
    rss: Annotated[int | None, Meta(description="Bytes.")]
    uptime_s: float | None


class Today(Struct, frozen=True, kw_only=True):
    """What was counted today."""

    window: Window
    triggers: int
    crashes: int
    restarts: int


class Change(Struct, frozen=True, kw_only=True):
    """An instance went from one state to another; `previous` is null for its first."""

    at: Time
    instance: str
    state: str
    previous: str | None
    reason: str | None


class Status(Struct, frozen=True, kw_only=True):
    """One service; `state` is null where no status ever came."""

    as_of: AsOf
    service: str
    state: Annotated[str | None, Meta(description="The worst state of its instances.")]
    tags: dict[str, str]
    instances: list[Instance]
    today: Today
    last_message: Message | None
    changes: Annotated[list[Change], Meta(description="The latest of 7 days, newest first.")]
    clamped: Annotated[
        int, Meta(description="Events with an absurd time, counted when they arrived.")
    ]


def service(connection: Connection, question: Question, asked: Asked) -> Status:
    """Tell the running status of one service with its instances."""
    name, zone = service_of(connection, asked.service), question.zone
    instances = statuses.instances(connection, name)
    latest, known = said.newest(connection, name, 1), services.find(connection, name)
    return Status(
        as_of=as_of(question),
        service=name,
        state=worst(instances) if instances else None,
        tags=tags.by_service(connection).get(name, {}),
        instances=[_instance(i, question) for i in instances[:MAX_INSTANCES]],
        today=_today(connection, question, name),
        last_message=message(latest[0], zone) if latest else None,
        changes=[_change(c, zone) for c in latest_changes(connection, question, name)],
        clamped=known.clamped if known else 0,
    )


def _today(connection: Connection, question: Question, name: str) -> Today:
    counted = counted_today(connection, question, name)
    return Today(
        window=window(span_of(question, "today")),
        triggers=counted["trigger"],
        crashes=counted["crash"],
        restarts=counted["restart"],
    )


def _instance(instance: told.Instance, question: Question) -> Instance:
    return Instance(
        instance=instance.instance,
        state=instance.state,
        reason=instance.reason,
        since=time_of(instance.since_ms, question.zone),
        seen=time_of(instance.seen_ms, question.zone),
        stale=stale(instance.seen_ms, question.now_ms),
        cpu=instance.cpu,
        rss=instance.rss,
        uptime_s=instance.uptime_s,
    )


def _change(change: told.Change, zone: ZoneInfo) -> Change:
    return Change(
        at=time_of(change.at_ms, zone),
        instance=change.instance,
        state=change.state,
        previous=change.previous,
        reason=change.reason,
    )
