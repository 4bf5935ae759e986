"""Vitals: how the running parts are doing, copied at one moment so that any thread may read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pulsebot.delivery import Delivery
from pulsebot.pipeline import Pipeline
from pulsebot.stream.base import Partition


@dataclass(frozen=True, slots=True)
class Vitals:
    """What the pipeline and the delivery have done since the process started.

    `lag` is by partition, in records; `failure` says what keeps the pipeline from its work.
    """

    at_ms: int
    records: int
    events: int
    duplicates: int
    clamped: int
    batches: int
    positions: Mapping[Partition, int]
    ends: Mapping[Partition, int]
    answered: bool
    failure: str | None
    sent: Mapping[str, int]
    failed: Mapping[str, int]
    paused: Mapping[str, str]

    @property
    def lag(self) -> int:
        """Return how many records are not consumed yet, as of the last tick."""
        return sum(max(0, end - self.positions.get(p, 0)) for p, end in self.ends.items())


def taken(pipeline: Pipeline, delivery: Delivery, now_ms: Callable[[], int]) -> Vitals:
    """Take the vitals; call it in the loop that runs the parts."""
    totals = pipeline.intake.totals
    return Vitals(
        at_ms=now_ms(),
        records=totals.records,
        events=totals.events,
        duplicates=totals.duplicates,
        clamped=totals.clamped,
        batches=totals.batches,
        positions=dict(pipeline.positions),
        ends=dict(pipeline.ends),
        answered=pipeline.answered,
        failure=pipeline.failure,
        sent=dict(delivery.counters.sent),
        failed=dict(delivery.counters.failed),
        paused=dict(delivery.paused),
    )
