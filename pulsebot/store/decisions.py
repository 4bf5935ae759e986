"""Decisions: what was decided about an event or alert, and why."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from pulsebot.store.database import Connection


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision: `outcome` is `sent to outbox`, `not sent`, … and `reason` in words."""

    at_ms: int
    outcome: str
    reason: str
    service: str | None = None
    rule: str | None = None
    key: str | None = None
    alert_id: str | None = None
    event_id: str | None = None
    receivers: tuple[str, ...] = ()


def add(connection: Connection, decisions: Iterable[Decision]) -> None:
    """Keep decisions."""
    connection.executemany(
        "INSERT INTO decision (at_ms, outcome, reason, service, rule, key, alert_id, event_id,"
        " receivers) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (d.at_ms, d.outcome, d.reason, d.service, d.rule, d.key, d.alert_id, d.event_id,
             json.dumps(d.receivers))
            for d in decisions
        ],
    )  # fmt: skip


def newest(connection: Connection, limit: int) -> list[Decision]:
    """Return the newest decisions, newest first."""
    rows = connection.execute(
        "SELECT at_ms, outcome, reason, service, rule, key, alert_id, event_id, receivers"
        " FROM decision ORDER BY id DESC LIMIT ?",
        (limit,),
    )
    return [
        Decision(at_ms, outcome, reason, service, rule, key, alert_id, event_id, _tuple(receivers))
        for at_ms, outcome, reason, service, rule, key, alert_id, event_id, receivers in rows
    ]


def _tuple(receivers: str) -> tuple[str, ...]:
    return tuple(json.loads(receivers))
