"""Counts by kind, service and bucket of event time: 1-minute buckets, 15-minute ones by age.

A count may sit in either table; a reader sums both, so an event that comes a month late is
counted like any other.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from pulsebot.store.database import Connection
from pulsebot.views.tally import Bucket
from pulsebot.window import QUARTER_MS


def add(connection: Connection, counts: Mapping[Bucket, int]) -> None:
    """Add to the 1-minute buckets."""
    connection.executemany(
        "INSERT INTO count_1m VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET count = count + excluded.count",
        [(*bucket, count) for bucket, count in counts.items()],
    )


def roll_up(connection: Connection, kind: str, before_ms: int, limit: int) -> int:
    """Move up to `limit` 1-minute buckets of a kind that start before a time; return how many.

    Adds to the 15-minute bucket they lie in, so moving them in any number of steps, or after
    a late event, gives the same sums.
    """
    rows = connection.execute(
        "SELECT kind, service, start_ms, count FROM count_1m WHERE kind = ? AND start_ms < ?"
        " ORDER BY start_ms LIMIT ?",
        (kind, before_ms, limit),
    ).fetchall()
    connection.executemany(
        "INSERT INTO count_15m VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET count = count + excluded.count",
        [(k, service, start - start % QUARTER_MS, n) for k, service, start, n in rows],
    )
    connection.executemany(
        "DELETE FROM count_1m WHERE kind = ? AND service = ? AND start_ms = ?",
        [row[:3] for row in rows],
    )
    return len(rows)


def forget(connection: Connection, kind: str, before_ms: int) -> None:
    """Delete the 15-minute buckets of a kind that start before a time."""
    connection.execute("DELETE FROM count_15m WHERE kind = ? AND start_ms < ?", (kind, before_ms))


_BOTH = """
SELECT service, start_ms, count FROM count_1m WHERE {where}
UNION ALL
SELECT service, start_ms, count FROM count_15m WHERE {where}
"""


def total(connection: Connection, kind: str, service: str, start_ms: int, end_ms: int) -> int:
    """Return the count of one service over the buckets that start in [start_ms, end_ms)."""
    both = _BOTH.format(
        where="kind = :kind AND service = :service AND start_ms >= :a AND start_ms < :b"
    )
    found = connection.execute(
        f"SELECT coalesce(sum(count), 0) FROM ({both})",
        {"kind": kind, "service": service, "a": start_ms, "b": end_ms},
    ).fetchone()
    return int(found[0])


def by_service(connection: Connection, kind: str, start_ms: int, end_ms: int) -> dict[str, int]:
    """Return the count of every service that has any in [start_ms, end_ms)."""
    both = _BOTH.format(where="kind = :kind AND start_ms >= :a AND start_ms < :b")
    rows = connection.execute(
        f"SELECT service, sum(count) FROM ({both}) GROUP BY service",
        {"kind": kind, "a": start_ms, "b": end_ms},
    )
    return dict(rows.fetchall())


def quarters(connection: Connection, kind: str, start_ms: int) -> list[tuple[str, int, int]]:
    """Return (service, quarter hour, count) of all services since a time, one index walk each.

    The time must be the start of a quarter of an hour.
    """
    return connection.execute(
        "SELECT s.service, c.start_ms - c.start_ms % :quarter AS quarter, sum(c.count)"
        " FROM service s CROSS JOIN count_1m c ON c.kind = :kind AND c.service = s.service"
        " AND c.start_ms >= :start GROUP BY s.service, quarter"
        " UNION ALL SELECT s.service, c.start_ms, c.count"
        " FROM service s CROSS JOIN count_15m c ON c.kind = :kind AND c.service = s.service"
        " AND c.start_ms >= :start",
        {"kind": kind, "start": start_ms, "quarter": QUARTER_MS},
    ).fetchall()


def pieces(connection: Connection, kind: str, service: str, edges: Sequence[int]) -> list[int]:
    """Return the counts of one service between each two edges that follow each other."""
    return [total(connection, kind, service, a, b) for a, b in pairwise(edges)]


def series(
    connection: Connection, kind: str, service: str, start_ms: int, end_ms: int
) -> list[tuple[int, int]]:
    """Return (start_ms, count) of the buckets that start in [start_ms, end_ms), in order."""
    both = _BOTH.format(
        where="kind = :kind AND service = :service AND start_ms >= :a AND start_ms < :b"
    )
    return connection.execute(
        f"SELECT start_ms, sum(count) FROM ({both}) GROUP BY start_ms ORDER BY start_ms",
        {"kind": kind, "service": service, "a": start_ms, "b": end_ms},
    ).fetchall()
