"""Ingest: Kafka to durable counts, against the raw drain of the same topics in the same run.

    python -m tests.benchmarks.bench_ingest [events] [services]

A real broker on loopback; 50 rules; 95 % triggers, 3 % statuses, 1 % messages, 1 % crashes of
about 270 bytes; every service its own producer. Raw drains (`getmany`, nothing done) and
ingests into a fresh database take turns; the figure is the ratio of the medians.
"""

import asyncio
import random
import resource
import sqlite3
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from pulsebot import event as events
from pulsebot.decide import Decider
from pulsebot.event import CrashData, Event, MessageData, State, StatusData, TriggerData
from pulsebot.intake import Intake
from pulsebot.pipeline import Pipeline
from pulsebot.ruleset import Ruleset, load_rules
from pulsebot.settings import Clock
from pulsebot.store.database import Connection, Database
from pulsebot.stream.base import TopicPlan
from pulsebot.stream.config import KafkaStream
from pulsebot.stream.open import open_admin, open_reader
from tests.kafka.broker import KafkaCluster
from tests.kafka.provision import Unavailable, machine

ROUNDS = 3
PARTITIONS = 6
TARGET = 0.40
_CONDITIONS = {
    "trigger": "{type: threshold, count: 10000, within: 1m}",
    "crash": "{type: threshold, count: 50, within: 1m}",
    "status": "{type: state, bad: [down], fail_after: 3}",
    "message": "{type: any}",
}


def rules(folder: Path) -> Ruleset:
    """Return 50 rules of all kinds, each for one service of production."""
    lines = ["version: 1", "rules:"]
    for number in range(50):
        kind = list(_CONDITIONS)[number % 4]
        when = f"{{kind: {kind}, service: [svc-{number}], tags: {{env: prod}}}}"
        lines.append(f"  - {{id: r{number}, when: {when}, condition: {_CONDITIONS[kind]},")
        lines.append("     severity: warning}")
    lines += ["routes:", "  - {match: {}, to: [console], then: stop}"]
    path = folder / "rules.yaml"
    path.write_text("\n".join(lines))
    return load_rules([path], chats={"console"})


def load(count: int, services: int) -> Iterator[Event]:
    """Make the events, a millisecond apart, ending about now."""
    random.seed(1)
    sequences: Counter[str] = Counter()
    start = datetime.now(UTC) - timedelta(milliseconds=count)
    tags = {"env": "prod", "team": "core", "region": "eu-1"}
    for number in range(count):
        service, at = f"svc-{random.randrange(services)}", start + timedelta(milliseconds=number)  # noqa: S311 - load
        sequences[service] += 1
        kind = random.random()  # noqa: S311 - load
        made: Event
        if kind < 0.95:
            made = events.trigger(service, at, TriggerData(name="order", tags=tags), instance="i-1")
        elif kind < 0.98:
            made = events.status(service, at, StatusData(state=State.UP, rss=10**8), instance="i-1")
        elif kind < 0.99:
            made = events.message(service, at, MessageData(text="hello"), instance="i-1")
        else:
            made = events.crash(service, at, CrashData(error="ValueError"), instance="i-1")
        yield msgspec.structs.replace(made, producer=f"p-{service}", sequence=sequences[service])


async def produce(bootstrap: str, count: int, services: int) -> None:
    """Write the load, each service to one partition."""
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap, linger_ms=20, max_batch_size=500_000
    ) as producer:
        for made in load(count, services):
            await producer.send(
                f"pulse.{made.kind}",
                events.encode(made),
                partition=hash(made.service) % PARTITIONS,
                timestamp_ms=made.time_ms,
            )


async def drain(bootstrap: str, topics: list[str], count: int) -> float:
    """Return events a second of reading everything and doing nothing."""
    async with AIOKafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
    ) as consumer:
        parts = [TopicPartition(t, p) for t in topics for p in range(PARTITIONS)]
        consumer.assign(parts)
        seen, started = 0, time.perf_counter()
        while seen < count:
            found = await consumer.getmany(timeout_ms=1000, max_records=2000)
            seen += sum(map(len, found.values()))
        return count / (time.perf_counter() - started)


async def ingest(stream: KafkaStream, ruleset: Ruleset, commits: list[float]) -> float:
    """Return events a second from Kafka to counts in a fresh database."""

    class Timed(Database):
        """Notes how long each transaction takes."""

        async def write(self, work: Any, *args: Any, **kwargs: Any) -> Any:
            """Pass on, and note the time."""
            started = time.perf_counter()
            done = await super().write(work, *args, **kwargs)
            commits.append(time.perf_counter() - started)
            return done

    with tempfile.TemporaryDirectory() as folder:
        async with Timed(Path(folder) / "bot.db") as database, open_reader(stream) as reader:
            intake = Intake(Decider(ruleset, ZoneInfo("UTC")), Clock())
            pipeline = Pipeline(
                database,
                reader,
                intake,
                now_ms=lambda: time.time_ns() // 1_000_000,
                committed=lambda: None,
            )
            await pipeline.start()
            started = time.perf_counter()
            await pipeline.run_to_end()
            rate = intake.totals.records / (time.perf_counter() - started)
            counted = await database.read(_counted)
            if counted != intake.totals.records:
                sys.exit(f"counted {counted} of {intake.totals.records}")
            return rate


def _counted(connection: Connection) -> int:
    counts = connection.execute(
        "SELECT coalesce(sum(count), 0) FROM count_1m WHERE kind IN ('trigger', 'crash', 'message')"
    ).fetchone()[0]
    statuses = connection.execute(
        "SELECT sum(next_offset) FROM position WHERE topic = 'pulse.status'"
    )
    return int(counts + (statuses.fetchone()[0] or 0))


async def measure(bootstrap: str, count: int, services: int) -> None:
    """Run everything and print the table."""
    stream = KafkaStream(type="kafka", bootstrap=[bootstrap])
    topics = stream.topics.to_read()
    await open_admin(stream).create([TopicPlan(t, PARTITIONS, 1, -1) for t in topics])
    await produce(bootstrap, count, services)
    with tempfile.TemporaryDirectory() as folder:
        ruleset = rules(Path(folder))
    raw, ours, commits = [], [], list[float]()
    for _ in range(ROUNDS):
        raw.append(await drain(bootstrap, topics, count))
        ours.append(await ingest(stream, ruleset, commits))
    ratio = statistics.median(ours) / statistics.median(raw)
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    p99 = statistics.quantiles(commits, n=100)[98] * 1000
    print(f"{count:,} events, {services:,} services, 50 rules, SQLite {sqlite3.sqlite_version}")
    print(f"raw drain    {statistics.median(raw):>10,.0f} events/s  {[f'{r:,.0f}' for r in raw]}")
    print(f"ingest       {statistics.median(ours):>10,.0f} events/s  {[f'{r:,.0f}' for r in ours]}")
    print(f"ratio         {ratio:>10.2f}           (target {TARGET})")
    print(f"p99 of commit {p99:>10.0f} ms")
    print(f"peak RSS      {rss:>10.0f} MB         (this process, producer included)")


def main() -> None:
    """Start a broker and measure."""
    found = machine()
    if isinstance(found, Unavailable):
        sys.exit(f"NOT RUN: {found}")
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 400_000
    services = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    with KafkaCluster(found, steady=True) as cluster:
        asyncio.run(measure(cluster.bootstrap, count, services))


if __name__ == "__main__":
    main()
