"""App messages, as the apps said them."""

from collections.abc import Iterable
from dataclasses import dataclass

from pulsebot.event import AppMessage
from pulsebot.store.database import Connection


@dataclass(frozen=True, slots=True)
class Kept:
    """A message as it was said."""

    at_ms: int
    level: str
    title: str | None
    text: str
    link: str | None
    instance: str | None


def add(connection: Connection, messages: Iterable[tuple[AppMessage, int]]) -> None:
    """Keep messages; each comes with its event time."""
    connection.executemany(
        "INSERT INTO app_message (service, instance, at_ms, level, title, text, link)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (m.service, m.instance, at_ms, m.data.level, m.data.title, m.data.text, m.data.link)
            for m, at_ms in messages
        ],
    )


def latest(connection: Connection, service: str, limit: int) -> list[tuple[int, str, str]]:
    """Return (at_ms, level, text) of a service's newest messages, newest first."""
    return connection.execute(
        "SELECT at_ms, level, text FROM app_message WHERE service = ? ORDER BY at_ms DESC LIMIT ?",
        (service, limit),
    ).fetchall()


def newest(connection: Connection, service: str, limit: int) -> list[Kept]:
    """Return a service's newest messages whole, newest first."""
    return within(connection, service, 0, 2**62, limit)


def within(
    connection: Connection, service: str, start_ms: int, end_ms: int, limit: int
) -> list[Kept]:
    """Return a service's newest messages of [start_ms, end_ms) whole, newest first."""
    rows = connection.execute(
        "SELECT at_ms, level, title, text, link, instance FROM app_message WHERE service = ?"
        " AND at_ms >= ? AND at_ms < ? ORDER BY at_ms DESC LIMIT ?",
        (service, start_ms, end_ms, limit),
    )
    return [Kept(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Said:
    """A message with the service that said it."""

    at_ms: int
    service: str
    level: str
    title: str | None
    text: str


def between(
    connection: Connection, start_ms: int, end_ms: int, service: str | None, limit: int
) -> list[Said]:
    """Return the newest messages within [start_ms, end_ms), of one service or all."""
    of = " AND service = :service" if service is not None else ""
    rows = connection.execute(
        "SELECT at_ms, service, level, title, text FROM app_message"
        f" WHERE at_ms >= :a AND at_ms < :b{of} ORDER BY at_ms DESC, id DESC LIMIT :limit",
        {"a": start_ms, "b": end_ms, "service": service, "limit": limit},
    )
    return [Said(*row) for row in rows]
