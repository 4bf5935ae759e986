"""Counts of one kind for all services over the last hours or days, kept in memory.

Read whole once, then only where something was counted: each number is always one that the
store says, so a late or repeated event cannot make it wrong.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from pulsebot.store import counts
from pulsebot.store.database import Connection
from pulsebot.views.tally import Bucket
from pulsebot.window import QUARTER_MS, bucket_start


class Recent:
    """Quarter-hour counts of one kind since a time, by service."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._start_ms = 0
        self._counts: dict[str, dict[int, int]] = {}

    def load(self, connection: Connection, start_ms: int) -> None:
        """Read everything since a time, the start of a quarter hour."""
        self._start_ms = start_ms
        self._counts = {}
        for service, quarter_ms, count in counts.quarters(connection, self.kind, start_ms):
            mine = self._counts.setdefault(service, {})
            mine[quarter_ms] = mine.get(quarter_ms, 0) + count

    def refresh(self, connection: Connection, touched: Iterable[Bucket]) -> None:
        """Read again the quarter hours in which something was counted."""
        mine = {
            (service, bucket_start(start_ms, QUARTER_MS))
            for kind, service, start_ms in touched
            if kind == self.kind and start_ms >= self._start_ms
        }
        for service, quarter_ms in mine:
            count = counts.total(
                connection, self.kind, service, quarter_ms, quarter_ms + QUARTER_MS
            )
            self._counts.setdefault(service, {})[quarter_ms] = count

    def forget(self, before_ms: int) -> None:
        """Drop the quarter hours before a time, which is the start of one."""
        self._start_ms = max(self._start_ms, before_ms)
        for mine in self._counts.values():
            for quarter_ms in [start for start in mine if start < before_ms]:
                del mine[quarter_ms]

    def since(self, service: str, start_ms: int) -> int:
        """Return a service's count since a time."""
        mine = self._counts.get(service, {})
        return sum(count for quarter_ms, count in mine.items() if quarter_ms >= start_ms)

    def pieces(self, service: str, starts: Sequence[int]) -> tuple[int, ...]:
        """Return a service's counts between starts that follow each other; the last is open."""
        sums = [0] * len(starts)
        for quarter_ms, count in self._counts.get(service, {}).items():
            if quarter_ms >= starts[0]:
                sums[bisect_right(starts, quarter_ms) - 1] += count
        return tuple(sums)
