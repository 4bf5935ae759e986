"""Alerts, and what was decided about each: who was told, or why nobody was."""

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta, Struct

from pulsebot.commands.base import Question
from pulsebot.rules.alert import key_of
from pulsebot.store import alerts as kept
from pulsebot.store import decisions, verdicts
from pulsebot.store.alerts import Told, Wanted
from pulsebot.store.database import Connection
from pulsebot.store.outbox import Fate
from pulsebot.store.verdicts import Verdict
from pulsebot.web.api.base import (
    AsOf,
    NotHere,
    Parameters,
    Service,
    Span,
    Time,
    Window,
    as_of,
    service_of,
    span_of,
    time_of,
    when,
    window,
)

DECISIONS = 20
"""Decisions told of one alert: it fires once and ends once, so there are hardly more."""


class Asked(Parameters, frozen=True, kw_only=True):
    """Which alerts: those that were open at any time in the window."""

    state: Literal["pending", "firing", "resolved"] | None = None
    service: Service | None = None
    window: Span = "7d"
    limit: Annotated[int, Meta(ge=1, le=500)] = 100


class AskedForOne(Parameters, frozen=True, kw_only=True):
    """Which alert."""

    id: Annotated[str, Meta(min_length=1, max_length=100)]


class Delivery(Struct, frozen=True, kw_only=True):
    """What became of the message to one receiver; null where that is not known any more."""

    receiver: str
    state: Annotated[str | None, Meta(description="pending, sending, uncertain, sent or failed.")]
    sent: Time | None
    attempts: int | None
    error: str | None


class Decision(Struct, frozen=True, kw_only=True):
    """What was decided at a transition of the alert, and why."""

    at: Time
    transition: str
    told: Annotated[bool, Meta(description="Whether anybody was to be told.")]
    reason: str
    receivers: list[Delivery]


class Alert(Struct, frozen=True, kw_only=True):
    """OneAlert episode of a rule for one key; `fired` and `resolved` are null until then."""

    id: str
    rule: str
    service: Annotated[str | None, Meta(description="Null where it is about no single one.")]
    key: Annotated[dict[str, str], Meta(description="What it is about, by the rule's fields.")]
    severity: str
    state: Annotated[str, Meta(description="pending, firing or resolved.")]
    started: Time
    fired: Time | None
    resolved: Time | None
    count: int
    reason: Annotated[str, Meta(description="Why it is in its state.")]
    receivers: Annotated[list[str], Meta(description="Who was told that it fires.")]
    decisions: list[Decision]


class Alerts(Struct, frozen=True, kw_only=True):
    """The alerts that were asked for: firing ones first, then the newest."""

    as_of: AsOf
    window: Window
    alerts: list[Alert]


class OneAlert(Struct, frozen=True, kw_only=True):
    """OneAlert alert."""

    as_of: AsOf
    alert: Alert


def alerts(connection: Connection, question: Question, asked: Asked) -> Alerts:
    """List alerts with what was decided about them."""
    span = span_of(question, asked.window)
    service = None if asked.service is None else service_of(connection, asked.service)
    wanted = Wanted(span.start_ms, span.end_ms, asked.state, service)
    found = kept.within(connection, wanted, asked.limit)
    return Alerts(
        as_of=as_of(question), window=window(span), alerts=_told(connection, question, found)
    )


def alert(connection: Connection, question: Question, asked: AskedForOne) -> OneAlert:
    """Tell one alert with what was decided about it."""
    found = kept.find(connection, asked.id)
    if found is None:
        raise NotHere("id", "there is no such alert (any more); /api/v1/alerts lists them")
    return OneAlert(as_of=as_of(question), alert=_told(connection, question, [found])[0])


def _told(connection: Connection, question: Question, found: Sequence[Told]) -> list[Alert]:
    decided = decisions.of_alerts(connection, [told.id for told in found], DECISIONS)
    return [_alert(told, verdicts.on(connection, decided[told.id]), question) for told in found]


def _alert(told: Told, decided: Sequence[Verdict], question: Question) -> Alert:
    return Alert(
        id=told.id,
        rule=told.rule,
        service=told.service or None,
        key=dict(key_of(told.key)),
        severity=told.severity,
        state=told.state,
        started=time_of(told.started_ms, question.zone),
        fired=when(told.fired_ms, question.zone),
        resolved=when(told.resolved_ms, question.zone),
        count=told.count,
        reason=told.reason,
        receivers=list(told.receivers),
        decisions=[_decision(verdict, question) for verdict in decided],
    )


def _decision(verdict: Verdict, question: Question) -> Decision:
    decision = verdict.decision
    return Decision(
        at=time_of(decision.at_ms, question.zone),
        transition=decision.outcome.partition(":")[0],
        told=bool(decision.receivers),
        reason=decision.reason,
        receivers=[_sent(receiver, fate, question) for receiver, fate in verdict.fates],
    )


def _sent(receiver: str, fate: Fate | None, question: Question) -> Delivery:
    return Delivery(
        receiver=receiver,
        state=fate.state if fate else None,
        sent=when(fate.sent_ms if fate else None, question.zone),
        attempts=fate.attempts if fate else None,
        error=fate.error if fate else None,
    )
