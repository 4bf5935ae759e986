"""The built-in counter: how much of what happened in which service in which minute.

Adding is commutative, so a batch's tally does not depend on the order of its events, and the
sums in the store do not depend on how events fell into batches.
"""

from typing import NamedTuple

from pulsebot.window import MINUTE_MS

COUNTED = ("trigger", "crash", "message", "restart", "change")
"""What is counted: three kinds of event, and two things seen in statuses."""


class Bucket(NamedTuple):
    """One minute of one service; `start_ms` is a whole minute of event time."""

    counted: str
    service: str
    start_ms: int


class Tally:
    """Counts of one batch."""

    __slots__ = ("counts",)

    def __init__(self) -> None:
        self.counts: dict[Bucket, int] = {}

    def add(self, counted: str, service: str, time_ms: int, count: int = 1) -> None:
        """Count `count` of something at an event time."""
        bucket = Bucket(counted, service, time_ms - time_ms % MINUTE_MS)
        self.counts[bucket] = self.counts.get(bucket, 0) + count
