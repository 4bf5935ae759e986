"""The outbox: what is to be sent, in the order of each receiver, and what became of it.

A row is `pending`; `sending` from just before the request until the answer was noted; then
`sent` or `failed` (gave up, with the reason). A row found `sending` when a process starts was
cut off between the platform's accept and our mark: it becomes `uncertain`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pulsebot.store.database import Connection


@dataclass(frozen=True, slots=True)
class Draft:
    """A notification to be sent: `id` is the same whenever the same decision is made again.

    `priority` 0 overtakes 1 at the same receiver; `origin` is `alert`, `event`, `digest` or
    `admin`.
    """

    id: str
    receiver: str
    message: bytes
    origin: str
    priority: int
    alert_id: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A notification on its way; `uncertain` counts the attempts that may have arrived."""

    seq: int
    id: str
    receiver: str
    message: bytes
    origin: str
    created_ms: int
    due_ms: int
    state: str
    attempts: int
    uncertain: int
    formatted: bool


def name(about: str, transition: str, receiver: str) -> str:
    """Return the id of the one draft that tells a receiver of a transition."""
    return f"{about}-{transition}-{receiver}"


def add(connection: Connection, drafts: Iterable[Draft], now_ms: int) -> int:
    """Put drafts into the outbox, due at once; return how many were new."""
    before = connection.total_changes
    connection.executemany(
        "INSERT OR IGNORE INTO outbox (id, receiver, priority, origin, alert_id, created_ms,"
        " due_ms, state, message) VALUES (?, ?, ?, ?, ?, ?, ?, 'pending', ?)",
        [
            (d.id, d.receiver, d.priority, d.origin, d.alert_id, now_ms, now_ms, d.message)
            for d in drafts
        ],
    )
    return connection.total_changes - before


def recover(connection: Connection) -> int:
    """Mark as uncertain what a dead process left in sending; return how many."""
    return connection.execute(
        "UPDATE outbox SET state = 'uncertain', uncertain = uncertain + 1 WHERE state = 'sending'"
    ).rowcount


def heads(connection: Connection) -> list[Row]:
    """Return the next row of every receiver, due or not: later ones wait behind it.

    While a row of a receiver is `sending`, the caller leaves that receiver alone.
    """
    rows = connection.execute(
        "WITH waiting AS (SELECT DISTINCT receiver FROM outbox WHERE open)"
        f" SELECT {_COLUMNS} FROM waiting w JOIN outbox ON seq = (SELECT seq FROM outbox"
        " WHERE open AND receiver = w.receiver"
        " ORDER BY priority, seq LIMIT 1) ORDER BY due_ms, seq"
    )
    return [_row(row) for row in rows]


def begin(connection: Connection, seqs: Sequence[int]) -> None:
    """Note that these are about to be sent, in the transaction before the request."""
    connection.executemany(
        "UPDATE outbox SET state = 'sending', attempts = attempts + 1 WHERE seq = ?",
        [(seq,) for seq in seqs],
    )


def sent(connection: Connection, seq: int, now_ms: int, reference: tuple[str, str]) -> None:
    """Note that the platform took it, and the platform's own name for it."""
    connection.execute(
        "UPDATE outbox SET state = 'sent', sent_ms = ?, ref_target = ?, ref_id = ?, error = NULL"
        " WHERE seq = ?",
        (now_ms, *reference, seq),
    )


def retry(connection: Connection, seq: int, due_ms: int, error: str) -> None:
    """Put it back, to be sent at or after `due_ms`."""
    connection.execute(
        "UPDATE outbox SET state = 'pending', due_ms = ?, error = ? WHERE seq = ?",
        (due_ms, error, seq),
    )


def retry_uncertain(connection: Connection, seq: int, due_ms: int, error: str) -> None:
    """Put it back after an attempt that may have arrived."""
    connection.execute(
        "UPDATE outbox SET state = 'uncertain', uncertain = uncertain + 1, due_ms = ?, error = ?"
        " WHERE seq = ?",
        (due_ms, error, seq),
    )


def retry_plain(connection: Connection, seq: int, error: str) -> None:
    """Put it back to be sent at once, as plain text."""
    connection.execute(
        "UPDATE outbox SET state = 'pending', formatted = 0, error = ? WHERE seq = ?", (error, seq)
    )


def give_up(connection: Connection, seq: int, error: str) -> None:
    """Note that it will not be sent, and why."""
    connection.execute("UPDATE outbox SET state = 'failed', error = ? WHERE seq = ?", (error, seq))


def depth(connection: Connection) -> dict[str, tuple[int, int]]:
    """Return per receiver how many wait and the creation time of the oldest."""
    rows = connection.execute(
        "SELECT receiver, count(*), min(created_ms) FROM outbox WHERE open GROUP BY receiver"
    )
    return {receiver: (count, oldest) for receiver, count, oldest in rows}


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a row: `error` is the last one, `sent_ms` None until it was sent."""

    state: str
    attempts: int
    sent_ms: int | None
    error: str | None


def fates(connection: Connection, ids: Sequence[str]) -> dict[str, Fate]:
    """Return what became of these rows, by id; rows that are gone are left out."""
    holes = ",".join("?" * len(ids))
    rows = connection.execute(
        f"SELECT id, state, attempts, sent_ms, error FROM outbox WHERE id IN ({holes})", ids
    )
    return {row[0]: Fate(*row[1:]) for row in rows}


_COLUMNS = (
    "seq, id, outbox.receiver, message, origin, created_ms, due_ms, state, attempts, uncertain,"
    " formatted"
)


def _row(row: tuple[int, str, str, bytes, str, int, int, str, int, int, int]) -> Row:
    return Row(*row[:10], bool(row[10]))
