"""History: what was known at a moment of the past, from kept transitions.

Answers are typed, for whoever shows them. Where the history does not reach back, they say so:
nothing is guessed.
"""

from dataclasses import dataclass
from typing import Any

from pulsebot.store.database import Connection


def forget(connection: Connection, what: str, before_ms: int) -> None:
    """Note that rows of a table from before a moment were deleted."""
    connection.execute(
        "INSERT INTO forgotten VALUES (?, ?)"
        " ON CONFLICT DO UPDATE SET before_ms = max(before_ms, excluded.before_ms)",
        (what, before_ms),
    )


def kept_since(connection: Connection, what: str) -> int | None:
    """Return since when a table is complete; None where nothing of it was ever deleted."""
    row = connection.execute("SELECT before_ms FROM forgotten WHERE what = ?", (what,)).fetchone()
    return row[0] if row else None


@dataclass(frozen=True, slots=True)
class Known:
    """The state of one instance at a moment.

    `since_ms` None: since before what is kept. `last_heard_ms` is None where the instance was
    heard of again since; else nobody knows whether the state still held.
    """

    service: str
    instance: str
    state: str
    since_ms: int | None
    reason: str | None
    last_heard_ms: int | None


@dataclass(frozen=True, slots=True)
class Unknown:
    """An instance of which nothing is known at a moment.

    `first_ms` is its first status, after the moment; None where that is no longer kept.
    """

    service: str
    instance: str
    first_ms: int | None


@dataclass(frozen=True, slots=True)
class Statuses:
    """The instances at a moment, by service and instance; complete since `kept_since_ms`."""

    known: tuple[Known, ...]
    unknown: tuple[Unknown, ...]
    kept_since_ms: int | None


def statuses_at(connection: Connection, at_ms: int, service: str | None = None) -> Statuses:
    """Return what was known at a moment of event time, of one service or of all."""
    where = " WHERE i.service = :service" if service is not None else ""
    rows = connection.execute(
        "SELECT i.service, i.instance, i.state, i.reason, i.since_ms, i.seen_ms,"
        " was.at_ms, was.state, was.reason, next.at_ms, next.previous FROM instance i"
        " LEFT JOIN status_change was ON was.service = i.service AND was.instance = i.instance"
        f" AND was.at_ms = ({_NEAREST.format('max(at_ms)')} AND at_ms <= :at)"
        " LEFT JOIN status_change next ON next.service = i.service"
        " AND next.instance = i.instance"
        f" AND next.at_ms = ({_NEAREST.format('min(at_ms)')} AND at_ms > :at)"
        f"{where} ORDER BY i.service, i.instance",
        {"at": at_ms, "service": service},
    )
    kept_ms = kept_since(connection, "status_change")
    found = [_then(row, at_ms, kept_ms) for row in rows]
    return Statuses(
        tuple(each for each in found if isinstance(each, Known)),
        tuple(each for each in found if isinstance(each, Unknown)),
        kept_ms,
    )


_NEAREST = "SELECT {} FROM status_change WHERE service = i.service AND instance = i.instance"


def _then(row: tuple[Any, ...], at_ms: int, kept_ms: int | None) -> Known | Unknown:
    service, instance, state, reason, since_ms, seen_ms = row[:6]
    was_ms, was, was_reason, next_ms, previous = row[6:]
    heard_ms = seen_ms if seen_ms < at_ms else None
    if since_ms <= at_ms:
        return Known(service, instance, state, since_ms, reason, heard_ms)
    if was_ms is not None:
        return Known(service, instance, was, was_ms, was_reason, heard_ms)
    if next_ms is not None and previous is None:
        return Unknown(service, instance, next_ms)
    if next_ms is not None and kept_ms is not None and kept_ms <= at_ms:
        return Known(service, instance, previous, None, None, heard_ms)
    return Unknown(service, instance, None)
