"""Alerts as they stand, and the state that rules need to go on after a restart."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pulsebot.rules import alert as alerts
from pulsebot.rules.alert import Alert
from pulsebot.rules.engine import Entry
from pulsebot.store.database import Connection


def load_states(connection: Connection) -> Iterator[Entry]:
    """Return what was kept of every rule and key."""
    rows = connection.execute("SELECT rule, key, state, due_ms, alert FROM condition_state")
    for rule, key, state, due_ms, alert in rows:
        yield Entry(rule, alerts.key_of(key), state, due_ms, alert and alerts.decode(alert))


def save_states(connection: Connection, entries: Iterable[Entry]) -> None:
    """Keep what changed; an entry without state is deleted."""
    kept, gone = [], []
    for entry in entries:
        key = alerts.key_text(entry.key)
        if entry.state is None:
            gone.append((entry.rule_id, key))
        else:
            alert = entry.alert and alerts.encode(entry.alert)
            kept.append((entry.rule_id, key, entry.state, entry.due_ms, alert))
    connection.executemany("DELETE FROM condition_state WHERE rule = ? AND key = ?", gone)
    connection.executemany("INSERT OR REPLACE INTO condition_state VALUES (?, ?, ?, ?, ?)", kept)


def save(connection: Connection, changed: Iterable[Alert]) -> None:
    """Write alerts as they are now; the receivers of one stay as they were told."""
    connection.executemany(
        "INSERT INTO alert (id, rule, key, service, severity, state, started_ms, fired_ms,"
        " resolved_ms, count, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET state = excluded.state, fired_ms = excluded.fired_ms,"
        " resolved_ms = excluded.resolved_ms, count = excluded.count, reason = excluded.reason",
        [
            (a.id, a.rule, alerts.key_text(a.key), a.fields.get("service", ""), a.severity,
             a.state, a.started_ms, a.fired_ms, a.resolved_ms, a.count, a.reason)
            for a in changed
        ],
    )  # fmt: skip


def drop(connection: Connection, alert_id: str) -> None:
    """Forget an alert that never fired; its decisions tell of it."""
    connection.execute("DELETE FROM alert WHERE id = ? AND fired_ms IS NULL", (alert_id,))


def told(connection: Connection, alert_id: str, receivers: Sequence[str]) -> None:
    """Remember who was told that an alert fires, so that they are told when it ends."""
    connection.execute(
        "UPDATE alert SET receivers = ? WHERE id = ?", (json.dumps(receivers), alert_id)
    )


def receivers(connection: Connection, alert_id: str) -> tuple[str, ...]:
    """Return who was told that an alert fires."""
    row = connection.execute("SELECT receivers FROM alert WHERE id = ?", (alert_id,)).fetchone()
    return tuple(json.loads(row[0])) if row else ()


def open_alerts(connection: Connection) -> list[tuple[str, str, str, str, int]]:
    """Return (rule, service, severity, reason, fired_ms) of what is firing, newest first."""
    return connection.execute(
        "SELECT rule, service, severity, reason, fired_ms FROM alert WHERE state = 'firing'"
        " ORDER BY fired_ms DESC"
    ).fetchall()


def firing(connection: Connection) -> dict[str, list[str]]:
    """Return the severities of what is firing, by service."""
    found: dict[str, list[str]] = {}
    rows = connection.execute(
        "SELECT service, severity FROM alert INDEXED BY alert_firing WHERE state = 'firing'"
    )
    for service, severity in rows:
        found.setdefault(service, []).append(severity)
    return found


@dataclass(frozen=True, slots=True)
class Told:
    """An alert as it stands, and who was told that it fires."""

    id: str
    rule: str
    key: str
    service: str
    severity: str
    state: str
    started_ms: int
    fired_ms: int | None
    resolved_ms: int | None
    count: int
    reason: str
    receivers: tuple[str, ...]


def of_service(connection: Connection, service: str, limit: int) -> list[Told]:
    """Return a service's newest alerts, firing ones first."""
    rows = connection.execute(
        f"{_SELECT} WHERE service = ?{_FIRING_FIRST} LIMIT ?",
        (service, limit),
    )
    return [_told(row) for row in rows]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which alerts to find: those that were open at any time in [start_ms, end_ms).

    `state` and `service` are of any value where they are None.
    """

    start_ms: int
    end_ms: int
    state: str | None = None
    service: str | None = None


def within(connection: Connection, wanted: Wanted, limit: int) -> list[Told]:
    """Return the newest alerts that are wanted, firing ones first."""
    where = [
        "started_ms < :end",
        "(resolved_ms IS NULL OR resolved_ms >= :start)",
        *["state = :state"] * (wanted.state is not None),
        *["service = :service"] * (wanted.service is not None),
    ]
    values = {
        "start": wanted.start_ms,
        "end": wanted.end_ms,
        "state": wanted.state,
        "service": wanted.service,
        "limit": limit,
    }
    rows = connection.execute(
        f"{_SELECT} WHERE {' AND '.join(where)}{_FIRING_FIRST} LIMIT :limit", values
    )
    return [_told(row) for row in rows]


def find(connection: Connection, alert_id: str) -> Told | None:
    """Return one alert."""
    row = connection.execute(f"{_SELECT} WHERE id = ?", (alert_id,)).fetchone()
    return _told(row) if row else None


_SELECT = (
    "SELECT id, rule, key, service, severity, state, started_ms, fired_ms, resolved_ms, count,"
    " reason, receivers FROM alert"
)
_FIRING_FIRST = " ORDER BY state = 'firing' DESC, started_ms DESC"


def _told(row: tuple[Any, ...]) -> Told:
    return Told(*(*row[:-1], tuple(json.loads(row[-1]))))
