"""Vitals: how the running parts are doing, copied at one moment so that any thread may read."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from pulsebot.delivery import Delivery
from pulsebot.pipeline import Pipeline
from pulsebot.stream.base import Partition

SAMPLES = 121
"""Notes kept of how far the counters were: two minutes of them."""

APART_MS = 900
LATELY_MS = 10_000


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


class Rates:
    """How many records a second came in lately, from vitals that were noted at most 1/s."""

    def __init__(self) -> None:
        self._noted: deque[tuple[int, int]] = deque(maxlen=SAMPLES)

    def note(self, vitals: Vitals) -> None:
        """Remember how far the counters are."""
        if not self._noted or vitals.at_ms - self._noted[-1][0] >= APART_MS:
            self._noted.append((vitals.at_ms, vitals.records))

    def series(self) -> list[int]:
        """Return records a second between each two notes, oldest first."""
        return [
            round((after - before) * 1000 / max(1, at_ms - from_ms))
            for (from_ms, before), (at_ms, after) in pairwise(self._noted)
        ]

    def now(self) -> float | None:
        """Return records a second over the last ten seconds or so; None: not known yet."""
        lately = [n for n in self._noted if n[0] >= self._noted[-1][0] - LATELY_MS]
        if len(lately) < 2:  # noqa: PLR2004 - a rate is between two
            return None
        return (lately[-1][1] - lately[0][1]) * 1000 / (lately[-1][0] - lately[0][0])
