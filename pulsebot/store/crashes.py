"""Crashes: one group for each fingerprint of a service, and the newest few samples whole."""

from collections.abc import Sequence
from dataclasses import dataclass

from pulsebot.event import Crash
from pulsebot.store.database import Connection
from pulsebot.window import MINUTE_MS, bucket_start

SAMPLES = 5
"""Whole crashes kept of one group: enough to compare, not enough to fill the disk."""

MAX_STACK = 20_000
"""Characters of a stack that are kept (its end, where the error is)."""


@dataclass(frozen=True, slots=True)
class Group:
    """The crashes of a service that are "the same one"; `count` is that of the window asked."""

    service: str
    fingerprint: str
    error: str
    message: str | None
    first_ms: int
    last_ms: int
    count: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One whole crash."""

    service: str
    fingerprint: str
    at_ms: int
    instance: str | None
    error: str
    message: str | None
    stack: str | None
    exit_code: int | None
    signal: str | None


def add(connection: Connection, crashed: Sequence[tuple[Crash, str, int]]) -> None:
    """Count crashes in their groups, and keep the newest whole.

    Each comes with its fingerprint and its time, in the order of arrival.
    """
    connection.executemany(
        "INSERT INTO crash_group VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
        " first_ms = min(first_ms, excluded.first_ms), last_ms = max(last_ms, excluded.last_ms)",
        [
            (event.service, print_, event.data.error, event.data.message, ms, ms)
            for event, print_, ms in crashed
        ],
    )
    connection.executemany(
        "INSERT INTO crash_count VALUES (?, ?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1",
        [(event.service, print_, bucket_start(ms, MINUTE_MS)) for event, print_, ms in crashed],
    )
    connection.executemany(
        "INSERT INTO crash (service, fingerprint, at_ms, instance, error, message, stack,"
        " exit_code, signal) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [_sample(*one) for one in crashed],
    )
    connection.executemany(
        "DELETE FROM crash WHERE service = ?1 AND fingerprint = ?2 AND id NOT IN (SELECT id FROM"
        " crash WHERE service = ?1 AND fingerprint = ?2 ORDER BY at_ms DESC, id DESC LIMIT ?3)",
        [(*group, SAMPLES) for group in {(event.service, print_) for event, print_, _ in crashed}],
    )


def _sample(event: Crash, fingerprint: str, time_ms: int) -> tuple[str | int | None, ...]:
    data = event.data
    return (
        event.service,
        fingerprint,
        time_ms,
        event.instance,
        data.error,
        data.message,
        data.stack and data.stack[-MAX_STACK:],
        data.exit_code,
        data.signal,
    )


def groups(
    connection: Connection, service: str, start_ms: int, end_ms: int, limit: int
) -> list[Group]:
    """Return a service's groups with crashes in [start_ms, end_ms), most crashes first.

    The range must be of whole minutes.
    """
    rows = connection.execute(
        "SELECT service, fingerprint, error, message, first_ms, last_ms, sum(count) AS crashes"
        " FROM crash_count JOIN crash_group USING (service, fingerprint)"
        " WHERE service = ? AND start_ms >= ? AND start_ms < ? GROUP BY service, fingerprint"
        " ORDER BY crashes DESC, last_ms DESC LIMIT ?",
        (service, start_ms, end_ms, limit),
    )
    return [Group(*row) for row in rows]


def samples(connection: Connection, service: str, fingerprint: str) -> list[Sample]:
    """Return the kept crashes of a group, the latest first."""
    rows = connection.execute(
        "SELECT service, fingerprint, at_ms, instance, error, message, stack, exit_code, signal"
        " FROM crash WHERE service = ? AND fingerprint = ? ORDER BY at_ms DESC, id DESC",
        (service, fingerprint),
    )
    return [Sample(*row) for row in rows]
