"""Ingest: Kafka to durable counts, against the raw drain of the same topics in the same run.

    python -m tests.benchmarks.bench_ingest [events]

A real broker on loopback and 50 rules; every service is its own producer with a sequence. Raw
drains (`getmany`, nothing done) and ingests into a fresh database take turns, each in a process
of its own; the figure is the ratio of the medians. Once with 200 services, once with 10,000.
CPU and memory of an ingest are those of both its processes, the one that reads and the one that
counts; the peaks of their memory are added up.
"""

import asyncio
import gc
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from aiokafka import AIOKafkaConsumer, TopicPartition

from pulsebot import logs
from pulsebot.decide import Decider
from pulsebot.intake import Intake
from pulsebot.logs import Logs
from pulsebot.pipeline import Pipeline
from pulsebot.settings import Clock
from pulsebot.sift import preparing
from pulsebot.store.database import Connection, Database
from pulsebot.stream.base import TopicPlan
from pulsebot.stream.config import KafkaStream, Topics
from pulsebot.stream.open import open_admin, open_reader_apart
from tests.benchmarks.load import MIX, PARTITIONS, produce, rules
from tests.benchmarks.measuring import afresh, one_broker, quantile, table

ROUNDS = 3
EVENTS = 600_000
TARGET = 0.40
RSS_TARGET_MB = 200


@dataclass(frozen=True, slots=True)
class Ingest:
    """One ingest: events a second, microseconds of CPU for each, seconds of each commit, memory."""

    rate: float
    cpu_us: float
    commits: Sequence[float]
    rss_mb: float


class Timed(Database):
    """Notes how long each transaction takes, from the call to the answer."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.seconds: list[float] = []

    async def write(self, work: Any, *args: Any, **kwargs: Any) -> Any:
        """Pass on, and note the time."""
        started = time.perf_counter()
        done = await super().write(work, *args, **kwargs)
        self.seconds.append(time.perf_counter() - started)
        return done


def drain(bootstrap: str, topics: Sequence[str], count: int) -> float:
    """Return events a second of reading everything and doing nothing."""
    return drain_and_cpu(bootstrap, topics, count)[0]


def drain_and_cpu(bootstrap: str, topics: Sequence[str], count: int) -> tuple[float, float]:
    """Read everything and do nothing: events a second, microseconds of CPU for each."""
    return asyncio.run(_drain(bootstrap, topics, count))


async def _drain(bootstrap: str, topics: Sequence[str], count: int) -> tuple[float, float]:
    async with AIOKafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
    ) as consumer:
        consumer.assign([TopicPartition(t, p) for t in topics for p in range(PARTITIONS)])
        seen, started, cpu = 0, time.perf_counter(), time.process_time()
        while seen < count:
            found = await consumer.getmany(timeout_ms=1000, max_records=2000)
            seen += sum(map(len, found.values()))
        cpu_us = (time.process_time() - cpu) / count * 1e6
        return count / (time.perf_counter() - started), cpu_us


def ingest(stream: KafkaStream, count: int) -> Ingest:
    """Bring everything into a fresh database; exits where the counts are not what was sent."""
    logs.configure(Logs(level="warning"))
    return asyncio.run(_ingest(stream, count))


async def _ingest(stream: KafkaStream, count: int) -> Ingest:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        intake = Intake(Decider(rules(folder), ZoneInfo("UTC")), Clock())
        async with (
            Timed(folder / "bot.db") as database,
            open_reader_apart(stream, preparing(Clock())) as reader,
        ):
            pipeline = Pipeline(database, reader, intake, now_ms=_now_ms, committed=lambda: None)
            await pipeline.start()
            gc.collect()
            gc.freeze()  # as the app does
            database.seconds.clear()
            started, cpu = time.perf_counter(), time.process_time()
            await pipeline.run_to_end()
            rate = count / (time.perf_counter() - started)
            cpu = time.process_time() - cpu
            if (counted := await database.read(_counted)) != count:
                sys.exit(f"counted {counted:,} of {count:,}")
        ours, reading = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        cpu_us = (cpu + reading.ru_utime + reading.ru_stime) / count * 1e6
        peak_mb = (ours.ru_maxrss + reading.ru_maxrss) / 1024
        return Ingest(rate, cpu_us, database.seconds, peak_mb)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _counted(connection: Connection) -> int:
    """Return all that was counted, and the statuses that were read: they are not counted."""
    counted, statuses = connection.execute(
        "SELECT (SELECT sum(count) FROM count_1m WHERE kind IN ('trigger', 'crash', 'message')),"
        " (SELECT sum(next_offset) FROM position WHERE topic LIKE '%.status')"
    ).fetchone()
    return int(counted) + int(statuses)


def measure(bootstrap: str, count: int, services: int) -> None:
    """Run everything and print the table."""
    prefix = f"services-{services}"
    topics = Topics(template=prefix + ".{kind}", partitions=PARTITIONS)
    stream = KafkaStream(type="kafka", bootstrap=[bootstrap], topics=topics)
    plans = [TopicPlan(name, PARTITIONS, 1, -1) for name in topics.to_read()]
    asyncio.run(open_admin(stream).create(plans))
    size = asyncio.run(produce(bootstrap, prefix, count, services)) / count
    raw, raw_cpu, ours = [], [], []
    for _ in range(ROUNDS):
        rate, cpu_us = afresh(drain_and_cpu, bootstrap, topics.to_read(), count)
        raw.append(rate)
        raw_cpu.append(cpu_us)
        ours.append(afresh(ingest, stream, count))
    rates = [one.rate for one in ours]
    ratio = statistics.median(rates) / statistics.median(raw)
    commits = [seconds * 1000 for one in ours for seconds in one.commits]
    rss_mb = max(one.rss_mb for one in ours)
    table(
        f"Ingest: {count:,} events of {size:.0f} bytes ({MIX}), {services:,} services, 50 rules",
        [
            ("", "median", "target", "runs"),
            ("raw drain, events/s", f"{statistics.median(raw):,.0f}", "", _each(raw)),
            ("ingest, events/s", f"{statistics.median(rates):,.0f}", "", _each(rates)),
            ("ratio", f"{ratio:.2f}", f"≥ {TARGET:.2f}", _ratios(rates, raw)),
            ("raw drain, µs of CPU/event", f"{statistics.median(raw_cpu):.2f}", "", ""),
            ("ingest, µs of CPU/event", f"{statistics.median(o.cpu_us for o in ours):.2f}", "", ""),
            ("commit p50, ms", f"{quantile(commits, 0.5):.0f}", "", f"{len(commits)} commits"),
            ("commit p99, ms", f"{quantile(commits, 0.99):.0f}", "", ""),
            ("peak RSS, MB", f"{rss_mb:.0f}", f"≤ {RSS_TARGET_MB}", ""),
        ],
    )


def _each(rates: Sequence[float]) -> str:
    return " ".join(f"{rate:,.0f}" for rate in rates)


def _ratios(rates: Sequence[float], raw: Sequence[float]) -> str:
    return " ".join(f"{a / b:.2f}" for a, b in zip(rates, raw, strict=True))


def main() -> None:
    """Start a broker and measure."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    with one_broker() as bootstrap:
        for services in (200, 10_000):
            measure(bootstrap, count, services)


if __name__ == "__main__":
    main()
