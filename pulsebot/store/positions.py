"""How far each partition was consumed: the truth about it, in the transaction of its effects."""

from collections.abc import Mapping, Sequence

from pulsebot.store.database import Connection
from pulsebot.stream.base import Gap, Partition


def load(connection: Connection) -> dict[Partition, int]:
    """Return the next offset to read, by partition."""
    rows = connection.execute("SELECT topic, partition, next_offset FROM position")
    return {Partition(topic, partition): offset for topic, partition, offset in rows}


def save(connection: Connection, positions: Mapping[Partition, int]) -> None:
    """Remember the next offset of these partitions."""
    connection.executemany(
        "INSERT INTO position VALUES (?, ?, ?)"
        " ON CONFLICT DO UPDATE SET next_offset = excluded.next_offset",
        [(*partition, offset) for partition, offset in positions.items()],
    )


def add_gaps(connection: Connection, gaps: Sequence[Gap], now_ms: int) -> None:
    """Remember records that retention removed before they were read."""
    connection.executemany(
        "INSERT INTO gap (at_ms, topic, partition, asked, earliest) VALUES (?, ?, ?, ?, ?)",
        [(now_ms, *gap.partition, gap.asked, gap.earliest) for gap in gaps],
    )
