"""How far the topics of other systems were read for views, apart from the bot's own positions."""

from collections.abc import Collection, Mapping

from pulsebot.store.database import Connection
from pulsebot.stream.base import Partition


def load(connection: Connection, topics: Collection[str]) -> dict[Partition, int]:
    """Return the next offset to read in these topics, by partition."""
    rows = connection.execute("SELECT topic, partition, next_offset FROM sql_feed_position")
    return {Partition(topic, number): offset for topic, number, offset in rows if topic in topics}


def save(connection: Connection, positions: Mapping[Partition, int]) -> None:
    """Remember the next offset of these partitions."""
    connection.executemany(
        "INSERT OR REPLACE INTO sql_feed_position VALUES (?, ?, ?)",
        [(*partition, offset) for partition, offset in positions.items()],
    )


def keep_only(connection: Connection, topics: Collection[str]) -> None:
    """Forget the topics that no view reads any more: the next one reads them from the start."""
    known = {row[0] for row in connection.execute("SELECT topic FROM sql_feed_position")}
    connection.executemany(
        "DELETE FROM sql_feed_position WHERE topic = ?", [(t,) for t in known - set(topics)]
    )
