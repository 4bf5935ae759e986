"""Metrics: what the running parts count, in Prometheus' text format.

A collector that reads the parts when asked, so that no hot path knows of it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pulsebot.delivery import Delivery
from pulsebot.pipeline import Pipeline
from pulsebot.publish.base import Standing


@dataclass(frozen=True, slots=True)
class Depths:
    """What waits in the store: per receiver (count, oldest creation time), and dead letters.

    And how far views are that are published.
    """

    outbox: dict[str, tuple[int, int]]
    dead_letters: int
    published: Mapping[str, Standing] = field(default_factory=dict)


class _Parts(Collector):
    def __init__(
        self, pipeline: Pipeline, delivery: Delivery, depths: Depths, now_ms: Callable[[], int]
    ) -> None:
        self._pipeline = pipeline
        self._delivery = delivery
        self._depths = depths
        self._now_ms = now_ms

    def collect(self) -> Iterator[Metric]:
        yield from self._intake()
        yield from self._lag()
        yield from self._outbox()
        yield from self._sends()
        if self._depths.published:
            yield from self._published()

    def _intake(self) -> Iterator[Metric]:
        totals = self._pipeline.intake.totals
        for name, help_, value in (
            ("pulsebot_records", "Records read", totals.records),
            ("pulsebot_events", "Events counted", totals.events),
            ("pulsebot_duplicates", "Repeated events left out", totals.duplicates),
            ("pulsebot_clamped", "Events with an absurd time", totals.clamped),
            ("pulsebot_batches", "Transactions", totals.batches),
        ):
            yield CounterMetricFamily(name, help_, value=value)
        alerts = self._pipeline.intake.decider.totals
        family = CounterMetricFamily("pulsebot_alerts", "Alert transitions", labels=["transition"])
        for transition, count in alerts.items():
            family.add_metric([transition], count)
        yield family
        yield GaugeMetricFamily(
            "pulsebot_dead_letters", "Dead letters not retried", value=self._depths.dead_letters
        )

    def _lag(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(
            "pulsebot_lag_records", "Records not consumed yet", labels=["topic", "partition"]
        )
        for partition, end in self._pipeline.ends.items():
            behind = max(0, end - self._pipeline.positions.get(partition, 0))
            family.add_metric([partition.topic, str(partition.partition)], behind)
        yield family

    def _outbox(self) -> Iterator[Metric]:
        depth = GaugeMetricFamily("pulsebot_outbox_depth", "Not sent yet", labels=["receiver"])
        age = GaugeMetricFamily(
            "pulsebot_outbox_age_seconds", "Age of the oldest not sent yet", labels=["receiver"]
        )
        counters, now_ms = self._delivery.counters, self._now_ms()
        # A series that comes and goes with its messages would be no alarm's ground: 0 is told too.
        for receiver in {*self._depths.outbox, *counters.sent, *counters.failed, *counters.retried}:
            count, oldest_ms = self._depths.outbox.get(receiver, (0, now_ms))
            depth.add_metric([receiver], count)
            age.add_metric([receiver], max(0, now_ms - oldest_ms) / 1000)
        yield from (depth, age)

    def _sends(self) -> Iterator[Metric]:
        counters = self._delivery.counters
        for name, help_, counts in (
            ("pulsebot_sent", "Messages sent", counters.sent),
            ("pulsebot_send_failures", "Messages given up", counters.failed),
            ("pulsebot_send_retries", "Attempts that failed for now", counters.retried),
        ):
            family = CounterMetricFamily(name, help_, labels=["receiver"])
            for receiver, count in counts.items():
                family.add_metric([receiver], count)
            yield family

    def _published(self) -> Iterator[Metric]:
        behind = GaugeMetricFamily(
            "pulsebot_publish_rows_behind", "Changed rows not published yet", labels=["view"]
        )
        written = CounterMetricFamily(
            "pulsebot_publish_rows", "Changed rows published", labels=["view"]
        )
        for view, standing in self._depths.published.items():
            behind.add_metric([view], standing.behind)
            written.add_metric([view], standing.written)
        yield from (behind, written)


def exposition(
    pipeline: Pipeline, delivery: Delivery, depths: Depths, now_ms: Callable[[], int]
) -> bytes:
    """Return all metrics in the text format of Prometheus."""
    registry = CollectorRegistry()
    registry.register(_Parts(pipeline, delivery, depths, now_ms))
    return generate_latest(registry)
