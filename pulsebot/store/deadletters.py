"""Dead letters: records that are not events, whole, with the reason, until someone looks."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pulsebot.store.database import Connection


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One refused record; `id` is 0 until it is kept."""

    id: int
    at_ms: int
    topic: str
    partition: int
    offset: int
    reason: str
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    retried_ms: int | None = None


def add(connection: Connection, letters: Iterable[DeadLetter]) -> None:
    """Keep dead letters; one that is kept already (the record was read again) stays as it is."""
    connection.executemany(
        "INSERT OR IGNORE INTO dead_letter (at_ms, topic, partition, offset, reason, size,"
        " value, headers) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (x.at_ms, x.topic, x.partition, x.offset, x.reason, len(x.value or b""), x.value,
             json.dumps([(k, v.hex()) for k, v in x.headers]))
            for x in letters
        ],
    )  # fmt: skip


def newest(connection: Connection, limit: int) -> list[DeadLetter]:
    """Return the newest dead letters, newest first."""
    rows = connection.execute(f"{_SELECT} ORDER BY id DESC LIMIT ?", (limit,))
    return [_letter(row) for row in rows]


def find(connection: Connection, ids: Sequence[int]) -> list[DeadLetter]:
    """Return the dead letters with these ids, in order; a missing one is left out."""
    holes = ",".join("?" * len(ids))
    rows = connection.execute(f"{_SELECT} WHERE id IN ({holes}) ORDER BY id", ids)
    return [_letter(row) for row in rows]


def waiting(connection: Connection) -> list[int]:
    """Return the ids of all that were not retried, oldest first."""
    rows = connection.execute("SELECT id FROM dead_letter WHERE retried_ms IS NULL ORDER BY id")
    return [row[0] for row in rows]


def count(connection: Connection) -> int:
    """Return how many are kept and were not retried."""
    row = connection.execute("SELECT count(*) FROM dead_letter WHERE retried_ms IS NULL").fetchone()
    return int(row[0])


def retry_header(letter_id: int) -> tuple[str, bytes]:
    """Return the record header that tells which dead letter is being retried."""
    return _RETRY_OF, str(letter_id).encode()


def retried(headers: Iterable[tuple[str, bytes]]) -> int | None:
    """Return the dead letter that a record retries, from its headers.

    None where the header is no id of ours: anybody can write one, and Kafka's may be null.
    """
    value = dict(headers).get(_RETRY_OF) or b""
    return int(value) if value.isdigit() and len(value) <= _MAX_DIGITS else None


def mark_retried(connection: Connection, letter_ids: Iterable[int], now_ms: int) -> None:
    """Remember that these dead letters came in again."""
    connection.executemany(
        "UPDATE dead_letter SET retried_ms = ? WHERE id = ?", [(now_ms, i) for i in letter_ids]
    )


_RETRY_OF = "pulsebot_retry_of"
_MAX_DIGITS = 18
"""More cannot be an id: SQLite's rowids have 63 bits."""

_SELECT = (
    "SELECT id, at_ms, topic, partition, offset, reason, value, headers, retried_ms"
    " FROM dead_letter"
)


def _letter(row: tuple[int, int, str, int, int, str, bytes | None, str, int | None]) -> DeadLetter:
    pairs = tuple((name, bytes.fromhex(value)) for name, value in json.loads(row[7]))
    return DeadLetter(*row[:7], pairs, row[8])
