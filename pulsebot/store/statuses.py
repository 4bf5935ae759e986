"""Running status: the latest of each instance, and the changes that led to it.

Heartbeats that say nothing new only move `seen_ms`. A status older than the newest one of its
instance adds to the history if it differs from what was then known; it never changes the state
of the present. Where it interrupts a run of equal heartbeats, nobody knows any more which of
them was the first after it: the run goes on at its latest one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

from pulsebot.event import State, Status
from pulsebot.store.database import Connection


@dataclass(frozen=True, slots=True)
class Instance:
    """The latest status of one instance: `cpu` in per cent of a core, `rss` in bytes."""

    service: str
    instance: str
    state: str
    reason: str | None
    since_ms: int
    seen_ms: int
    cpu: float | None
    rss: int | None
    uptime_s: float | None


@dataclass(frozen=True, slots=True)
class Change:
    """An instance went from one state to another; `previous` is None for its first."""

    service: str
    instance: str
    at_ms: int
    state: str
    previous: str | None
    reason: str | None


_COLUMNS = "service, instance, state, reason, since_ms, seen_ms, cpu, rss, uptime_s"
_row = attrgetter(*_COLUMNS.split(", "))


def apply(connection: Connection, said: Iterable[tuple[Status, int]]) -> list[Change]:
    """Take in statuses, each with its time, in their order; return the changes they made known."""
    known: dict[tuple[str, str], Instance] = {}
    changes: list[Change] = []
    for event, time_ms in said:
        key = event.service, event.instance or ""
        now = known.get(key) or _instance(connection, *key)
        known[key], change = _step(connection, event, time_ms, now)
        if change is not None:
            changes.append(change)
    connection.executemany(
        f"INSERT OR REPLACE INTO instance ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        map(_row, known.values()),
    )
    return changes


def _step(
    connection: Connection, event: Status, time_ms: int, now: Instance | None
) -> tuple[Instance, Change | None]:
    """Return how an instance stands after a status, and the change if it is one."""
    if now is not None and time_ms < now.seen_ms:
        return _step_late(connection, event, time_ms, now)
    changed = now is None or now.state != event.data.state
    since_ms = time_ms if now is None or changed else now.since_ms
    data = event.data
    after = Instance(
        event.service,
        event.instance or "",
        str(data.state),
        data.reason,
        since_ms,
        time_ms,
        data.cpu,
        data.rss,
        data.uptime_s,
    )
    if not changed:
        return after, None
    return after, _change(connection, event, time_ms, now.state if now else None)


def _step_late(
    connection: Connection, event: Status, time_ms: int, now: Instance
) -> tuple[Instance, Change | None]:
    interrupts = now.since_ms <= time_ms
    before = now.state if interrupts else _state_before(connection, now, time_ms)
    if before == event.data.state:
        return now, None
    if interrupts:
        now = _gone_on(connection, now, str(event.data.state))
    return now, _change(connection, event, time_ms, before)


def _state_before(connection: Connection, now: Instance, time_ms: int) -> str | None:
    row = connection.execute(
        "SELECT state FROM status_change WHERE service = ? AND instance = ? AND at_ms <= ?"
        " ORDER BY at_ms DESC LIMIT 1",
        (now.service, now.instance, time_ms),
    ).fetchone()
    return row[0] if row else None


def _gone_on(connection: Connection, now: Instance, interruption: str) -> Instance:
    connection.execute(
        "INSERT OR REPLACE INTO status_change VALUES (?, ?, ?, ?, ?, ?)",
        (now.service, now.instance, now.seen_ms, now.state, interruption, now.reason),
    )
    return replace(now, since_ms=now.seen_ms)


def _change(connection: Connection, event: Status, time_ms: int, previous: str | None) -> Change:
    change = Change(
        event.service,
        event.instance or "",
        time_ms,
        str(event.data.state),
        previous,
        event.data.reason,
    )
    connection.execute(
        "INSERT OR REPLACE INTO status_change VALUES (?, ?, ?, ?, ?, ?)",
        (change.service, change.instance, time_ms, change.state, previous, change.reason),
    )
    return change


def is_restart(change: Change) -> bool:
    """Tell whether a change is an instance coming back: it starts after it was seen before."""
    gone = {State.DOWN, State.STOPPED}
    return change.previous is not None and (
        change.state == State.STARTING or (change.state == State.UP and change.previous in gone)
    )


def _instance(connection: Connection, service: str, instance: str) -> Instance | None:
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM instance WHERE service = ? AND instance = ?",
        (service, instance),
    ).fetchone()
    return Instance(*row) if row else None


def instances(connection: Connection, service: str | None = None) -> list[Instance]:
    """Return the latest status of every instance, of one service or of all, sorted by name."""
    where, values = ("WHERE service = ?", [service]) if service is not None else ("", [])
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM instance {where} ORDER BY service, instance",
        values,
    )
    return [Instance(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Share:
    """How many instances of a service are in one state, since when, and last seen."""

    service: str
    state: str
    instances: int
    since_ms: int
    seen_ms: int


def shares(connection: Connection) -> list[Share]:
    """Return every state that a service's instances are in, by service."""
    rows = connection.execute(
        "SELECT service, state, count(*), max(since_ms), max(seen_ms) FROM instance"
        " GROUP BY service, state"
    )
    return [Share(*row) for row in rows]


def changes(
    connection: Connection, service: str, start_ms: int, end_ms: int, limit: int
) -> Sequence[Change]:
    """Return the newest changes of a service within [start_ms, end_ms), newest first."""
    rows = connection.execute(
        "SELECT service, instance, at_ms, state, previous, reason FROM status_change"
        " WHERE service = ? AND at_ms >= ? AND at_ms < ? ORDER BY at_ms DESC LIMIT ?",
        (service, start_ms, end_ms, limit),
    )
    return [Change(*row) for row in rows]
