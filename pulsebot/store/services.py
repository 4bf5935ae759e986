"""Which services there are, the minutes each was first and last heard of, and absurd clocks."""

from collections.abc import Mapping
from dataclasses import dataclass

from pulsebot.store.database import Connection


@dataclass(slots=True)
class Heard:
    """What one batch says of a service: minutes of event time, and how many were clamped."""

    first_ms: int
    last_ms: int
    clamped: int = 0


def save(connection: Connection, heard: Mapping[str, Heard]) -> None:
    """Widen each service's known time range; add to its clamped count."""
    connection.executemany(
        "INSERT INTO service VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
        " first_ms = min(first_ms, excluded.first_ms), last_ms = max(last_ms, excluded.last_ms),"
        " clamped = clamped + excluded.clamped",
        [(name, h.first_ms, h.last_ms, h.clamped) for name, h in heard.items()],
    )


def names(connection: Connection) -> list[str]:
    """Return every known service, sorted."""
    return [row[0] for row in connection.execute("SELECT service FROM service ORDER BY service")]


def first_ms(connection: Connection) -> int | None:
    """Return the minute of the first event of all; None where there was none yet."""
    first: int | None = connection.execute("SELECT min(first_ms) FROM service").fetchone()[0]
    return first


def heard(connection: Connection) -> list[tuple[str, int]]:
    """Return every known service with the minute it was last heard of, by name."""
    return connection.execute("SELECT service, last_ms FROM service ORDER BY service").fetchall()


def find(connection: Connection, service: str) -> Heard | None:
    """Return what is known of one service."""
    row = connection.execute(
        "SELECT first_ms, last_ms, clamped FROM service WHERE service = ?", (service,)
    ).fetchone()
    return Heard(*row) if row else None
