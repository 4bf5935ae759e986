"""Notices a consumer that has silently stopped fetching.

aiokafka can sit still after a broker's restart although there are records to read (its issue
1154). A partition is stuck when it has lagged, or nobody could tell its end, for a given time
without its position moving. Pure: time is an argument.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pulsebot.stream.base import Partition


@dataclass(frozen=True, slots=True)
class _Standstill:
    """Where a partition stands, and since when (seconds of the caller's clock)."""

    position: int
    since: float


class Watchdog:
    """Remembers how long each partition has been standing still with something to read."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._standing: dict[Partition, _Standstill] = {}

    def reset(self) -> None:
        """Forget everything: nobody was reading, or the consumer is a new one."""
        self._standing.clear()

    def stuck(
        self, now: float, positions: Mapping[Partition, int], ends: Mapping[Partition, int] | None
    ) -> list[Partition]:
        """Return the partitions that have stood still for too long; `ends` None is unknown."""
        behind = {
            partition: position
            for partition, position in positions.items()
            if ends is None or position < ends.get(partition, 0)
        }
        self._standing = {
            partition: self._still(partition, position, now)
            for partition, position in behind.items()
        }
        return [
            partition
            for partition, standstill in self._standing.items()
            if now - standstill.since >= self._patience_s
        ]

    def _still(self, partition: Partition, position: int, now: float) -> _Standstill:
        known = self._standing.get(partition)
        return known if known and known.position == position else _Standstill(position, now)
