"""Spells: the times that an alert was pending or firing, and why; kept when it is over.

An alert that ended before it fired has its spell here too, though it is no alert any more.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pulsebot.rules.alert import Alert, Transition, key_text
from pulsebot.rules.engine import Outcome
from pulsebot.store.database import Connection


@dataclass(frozen=True, slots=True)
class Spell:
    """An alert in one state within [since_ms, until_ms); None: it still is.

    `state` is pending or firing, `reason` why it was; both `became` (firing, resolved or
    dropped) and why, `ending`, are None as long as it lasts. `key` is JSON, as in an alert.
    """

    alert: str
    state: str
    since_ms: int
    until_ms: int | None
    rule: str
    key: str
    service: str
    severity: str
    reason: str
    became: str | None
    ending: str | None


_STATES = {
    Transition.PENDING: "pending",
    Transition.FIRED: "firing",
    Transition.RESOLVED: "resolved",
    Transition.DROPPED: "dropped",
}
_LASTING = frozenset({"pending", "firing"})


def add(connection: Connection, outcomes: Iterable[Outcome]) -> None:
    """Keep what became of alerts, in this order; the same again changes nothing."""
    for outcome in outcomes:
        state = _STATES.get(outcome.transition)
        if outcome.alert is None or state is None:
            continue
        connection.execute(
            "UPDATE alert_spell SET until_ms = ?, became = ?, ending = ?"
            " WHERE alert = ? AND state != ? AND until_ms IS NULL",
            (outcome.at_ms, state, outcome.reason, outcome.alert.id, state),
        )
        if state in _LASTING:
            _begin(connection, outcome.alert, state, outcome)


def _begin(connection: Connection, alert: Alert, state: str, outcome: Outcome) -> None:
    connection.execute(
        "INSERT OR IGNORE INTO alert_spell VALUES (?, ?, ?, NULL, ?, ?, ?, ?, ?, NULL, NULL)",
        (
            alert.id,
            state,
            outcome.at_ms,
            alert.rule,
            key_text(alert.key),
            alert.fields.get("service", ""),
            alert.severity,
            outcome.reason,
        ),
    )


def at(connection: Connection, at_ms: int, service: str | None = None) -> Sequence[Spell]:
    """Return what was pending or firing at a moment: firing first, then the newest."""
    where = "since_ms <= :a AND (until_ms > :a OR until_ms IS NULL)"
    return _select(connection, where, {"a": at_ms, "service": service})


def fired_within(
    connection: Connection, start_ms: int, end_ms: int, service: str | None = None
) -> Sequence[Spell]:
    """Return what was firing at any time of [start_ms, end_ms): what still is first, newest."""
    where = "state = 'firing' AND since_ms < :b AND (until_ms >= :a OR until_ms IS NULL)"
    return _select(connection, where, {"a": start_ms, "b": end_ms, "service": service})


def _select(connection: Connection, where: str, values: dict[str, Any]) -> Sequence[Spell]:
    of = " AND service = :service" if values["service"] is not None else ""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM alert_spell WHERE {where}{of}"
        " ORDER BY state, until_ms IS NOT NULL, since_ms DESC, alert",
        values,
    )
    return [Spell(*row) for row in rows]


_COLUMNS = "alert, state, since_ms, until_ms, rule, key, service, severity, reason, became, ending"
