"""The built-in counter: how much of what happened in which service in which minute.

Adding is commutative, so a batch's tally does not depend on the order of its events, and the
sums in the store do not depend on how events fell into batches.
"""

from pulsebot.window import MINUTE_MS

COUNTED = ("trigger", "crash", "message", "restart", "change")
"""What is counted: three kinds of event, and two things seen in statuses."""


Bucket = tuple[str, str, int]
"""What is counted, the service, and the start of a whole minute of event time (ms)."""


class Tally:
    """Counts of one batch, and the minutes in which services were heard of without a count."""

    __slots__ = ("_heard", "counts")

    def __init__(self) -> None:
        self.counts: dict[Bucket, int] = {}
        self._heard: set[tuple[str, int]] = set()

    def add(self, counted: str, service: str, time_ms: int, count: int = 1) -> None:
        """Count `count` of something at an event time."""
        counts, bucket = self.counts, (counted, service, time_ms - time_ms % MINUTE_MS)
        counts[bucket] = counts.get(bucket, 0) + count

    def hear(self, service: str, time_ms: int) -> None:
        """Note that a service gave a sign of life."""
        self._heard.add((service, time_ms - time_ms % MINUTE_MS))

    def merge(self, other: "Tally") -> None:
        """Add what another tally holds."""
        counts = self.counts
        for bucket, count in other.counts.items():
            counts[bucket] = counts.get(bucket, 0) + count
        self._heard |= other.heard()

    def heard(self) -> set[tuple[str, int]]:
        """Return services and the minutes in which they were heard of."""
        return self._heard | {(service, start_ms) for _, service, start_ms in self.counts}
