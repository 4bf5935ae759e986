"""Decisions: what was decided about an event or alert, and why."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

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
    return [_decision(row) for row in connection.execute(f"{_SELECT}{_NEWEST}", (limit,))]


def of_service(connection: Connection, service: str, limit: int) -> list[Decision]:
    """Return the newest decisions about a service, newest first."""
    rows = connection.execute(f"{_SELECT} WHERE service = ?{_NEWEST}", (service, limit))
    return [_decision(row) for row in rows]


def of_alerts(
    connection: Connection, alert_ids: Sequence[str], limit: int
) -> dict[str, list[Decision]]:
    """Return the decisions about each of these alerts in their order, so many of each at most."""
    return {
        alert_id: [
            _decision(row)
            for row in connection.execute(
                f"{_SELECT} WHERE alert_id = ? ORDER BY id LIMIT ?", (alert_id, limit)
            )
        ]
        for alert_id in alert_ids
    }


_SELECT = (
    "SELECT at_ms, outcome, reason, service, rule, key, alert_id, event_id, receivers FROM decision"
)
_NEWEST = " ORDER BY id DESC LIMIT ?"


def _decision(row: tuple[Any, ...]) -> Decision:
    return Decision(*(*row[:-1], _tuple(row[-1])))


def _tuple(receivers: str) -> tuple[str, ...]:
    return tuple(json.loads(receivers))
