"""History: what was known at a moment of the past, from kept transitions.

As far as retention reaches; a state that lasts longer is known from the instance itself.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from pulsebot.store.database import Connection


@dataclass(frozen=True, slots=True)
class Known:
    """The state of one instance at a moment, and since when it was that."""

    service: str
    instance: str
    state: str
    since_ms: int
    reason: str | None


def states_at(connection: Connection, at_ms: int, service: str | None = None) -> list[Known]:
    """Return the state of every instance of which one was known by then."""
    where, values = ("AND service = :service", {"service": service}) if service else ("", {})
    rows = connection.execute(
        # With max(), SQLite takes the other columns from the row that has it.
        "SELECT service, instance, state, max(since_ms), reason FROM ("
        " SELECT service, instance, state, at_ms AS since_ms, reason FROM status_change"
        f" WHERE at_ms <= :at {where} UNION ALL"
        " SELECT service, instance, state, since_ms, reason FROM instance"
        f" WHERE since_ms <= :at {where}) GROUP BY service, instance",
        {"at": at_ms, **values},
    )
    return [Known(*row) for row in rows]


def heard_later(connection: Connection, at_ms: int, service: str | None = None) -> int:
    """Return how many instances are known of which nothing was by then."""
    known = {(k.service, k.instance) for k in states_at(connection, at_ms, service)}
    where, values = ("WHERE service = ?", [service]) if service else ("", [])
    rows = connection.execute(f"SELECT service, instance FROM instance {where}", values)
    return len({tuple(row) for row in rows} - known)


@dataclass(frozen=True, slots=True)
class Episode:
    """An alert: when it fired and ended, why, and who was told."""

    id: str
    rule: str
    service: str
    severity: str
    fired_ms: int
    resolved_ms: int | None
    reason: str
    receivers: tuple[str, ...]


_EPISODE = "SELECT id, rule, service, severity, fired_ms, resolved_ms, reason, receivers FROM alert"


def firing_at(connection: Connection, at_ms: int, service: str | None = None) -> list[Episode]:
    """Return what was firing at a moment, newest first."""
    return _episodes(
        connection,
        "fired_ms <= :a AND (resolved_ms IS NULL OR resolved_ms > :a)",
        {"a": at_ms},
        service,
    )


def fired_between(
    connection: Connection, start_ms: int, end_ms: int, service: str | None = None
) -> list[Episode]:
    """Return what began to fire within [start_ms, end_ms), newest first."""
    where = "fired_ms >= :a AND fired_ms < :b"
    return _episodes(connection, where, {"a": start_ms, "b": end_ms}, service)


def _episodes(
    connection: Connection, where: str, values: dict[str, int], service: str | None
) -> list[Episode]:
    of = " AND service = :service" if service else ""
    rows = connection.execute(
        f"{_EPISODE} WHERE fired_ms IS NOT NULL AND {where}{of} ORDER BY fired_ms DESC, id",
        {**values, "service": service},
    )
    return [Episode(*(*row[:-1], tuple(json.loads(row[-1])))) for row in rows]


def reasons(connection: Connection, alert_id: str) -> Sequence[tuple[str, str]]:
    """Return outcome and reason of what was decided about an alert, newest first."""
    return connection.execute(
        "SELECT outcome, reason FROM decision WHERE alert_id = ? ORDER BY id DESC", (alert_id,)
    ).fetchall()
