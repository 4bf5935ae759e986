"""A day count beside Quix Streams and Kafka Streams, on the same broker in the same run.

    python -m tests.benchmarks.bench_rivals [events]

Triggers are counted per service and day (UTC), from Kafka to durable, by

- pulsebot: the live bot's pipeline with this one view and no rules, its built-in counts and
  de-duplication included; from the first read until the last row and offset are committed;
- Kafka Streams 4.3.1 on the JVM, exactly_once_v2, two threads, JSON parsed, all else as it
  comes; from RUNNING until the offsets of all records are committed with the changelog;
- Quix Streams, exactly-once, all else as it comes; from the first record until its last commit.
  It has a topic of its own with fewer events: what counts is the rate;
- and the raw drain of the first topic, which does nothing.

All take turns, each in a process of its own with nothing kept from before; starting up is left
out. A count that is not what was sent ends the run. Records are keyed by service, so that
nobody has to repartition them.
"""

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from zlib import crc32
from zoneinfo import ZoneInfo

from aiokafka import AIOKafkaProducer

from pulsebot import event as events
from pulsebot import logs
from pulsebot.decide import Decider
from pulsebot.intake import Intake
from pulsebot.logs import Logs
from pulsebot.pipeline import Pipeline
from pulsebot.ruleset import load_rules
from pulsebot.settings import Clock
from pulsebot.sift import preparing
from pulsebot.store.database import Database
from pulsebot.stream.base import TopicPlan
from pulsebot.stream.config import KafkaStream, Topics
from pulsebot.stream.open import open_admin, open_reader_apart
from tests.benchmarks.bench_ingest import drain
from tests.benchmarks.load import PARTITIONS, load
from tests.benchmarks.measuring import afresh, one_broker, table
from tests.benchmarks.rivals import parts
from tests.benchmarks.viewload import enter_live

ROUNDS = 3
EVENTS = 1_500_000
"""So many that the JVM's first seconds, in which it compiles, do not decide."""

FEWER = 15
"""Quix Streams gets one event of so many: it would take minutes for all."""

LONGEST_S = 600
"""What one run may take: whoever fails inside may wait for ever."""

SERVICES = 200
OVER_QUIX, OVER_STREAMS = 10, 1
"""How many times as quick ours is to be."""


def ours(stream: KafkaStream, count: int) -> float:
    """Return events a second of a bot with the day count alone."""
    logs.configure(Logs(level="warning"))
    return asyncio.run(_ours(stream, count))


async def _ours(stream: KafkaStream, count: int) -> float:
    with tempfile.TemporaryDirectory() as name:
        intake = Intake(Decider(load_rules([], chats={}), ZoneInfo("UTC")), Clock())
        reader = open_reader_apart(stream, preparing(Clock()))
        async with Database(Path(name) / "bot.db") as database, reader:
            await database.write(enter_live, 1)
            pipeline = Pipeline(database, reader, intake, now_ms=_now_ms, committed=lambda: None)
            await pipeline.start()
            started = time.perf_counter()
            await pipeline.run_to_end()
            rate = count / (time.perf_counter() - started)
            [(counted,)] = await database.read(
                lambda c: c.execute("SELECT sum(COUNT) FROM BENCH_0").fetchall()
            )
            _check("pulsebot", int(counted), count)
            return rate


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def rival(name: str, command: list[str], bootstrap: str, topic: str, count: int) -> float:
    """Return events a second of another's program, which is given what it needs to start anew."""
    with tempfile.TemporaryDirectory() as folder:
        given = [bootstrap, topic, f"count-{uuid.uuid4().hex}", folder, str(count)]
        try:
            done = subprocess.run(
                [*command, *given], capture_output=True, text=True, check=False, timeout=LONGEST_S
            )
        except subprocess.TimeoutExpired as late:
            sys.exit(f"{name} has not come to an end in {LONGEST_S} s: {late.stderr or b''!r}")
    if done.returncode:
        sys.exit(f"{name} failed: {done.stderr[-2000:]}")
    seconds, counted = done.stdout.split()[-2:]
    _check(name, int(counted), count)
    return count / float(seconds)


def _check(name: str, counted: int, count: int) -> None:
    if counted != count:
        sys.exit(f"{name} counted {counted:,} of {count:,}")


async def _produce(bootstrap: str, topic: str, count: int) -> None:
    """Write so many triggers, keyed by service, each of which counts one."""
    stream = KafkaStream(type="kafka", bootstrap=[bootstrap])
    await open_admin(stream).create([TopicPlan(topic, PARTITIONS, 1, -1)])
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap, linger_ms=20, max_batch_size=500_000
    ) as producer:
        made = (event for event in load(count * 2, SERVICES) if event.kind == "trigger")
        for _, event in zip(range(count), made, strict=False):
            key = event.service.encode()
            await producer.send(
                topic,
                events.encode(event),
                key=key,
                partition=crc32(key) % PARTITIONS,
                timestamp_ms=event.time_ms,
            )


def measure(bootstrap: str, count: int) -> None:
    """Run everything in turns and print the table."""
    java = ["java", "-cp", parts.kafka_streams(), "DayCount"]
    quix = [parts.quix_python(), str(parts.FOLDER / "quix_count.py")]
    asyncio.run(_produce(bootstrap, "all", count))
    asyncio.run(_produce(bootstrap, "fewer", count // FEWER))
    stream = KafkaStream(type="kafka", bootstrap=[bootstrap], topics=Topics(read=["all"]))
    rates: dict[str, list[float]] = {"raw": [], "ours": [], "streams": [], "quix": []}
    for _ in range(ROUNDS):
        rates["raw"].append(afresh(drain, bootstrap, ["all"], count))
        rates["ours"].append(afresh(ours, stream, count))
        rates["streams"].append(rival("Kafka Streams", java, bootstrap, "all", count))
        rates["quix"].append(rival("Quix Streams", quix, bootstrap, "fewer", count // FEWER))
    _print(count, rates)


def _print(count: int, rates: dict[str, list[float]]) -> None:
    raw, own, streams, quix = (statistics.median(found) for found in rates.values())
    each = {name: " ".join(f"{rate:,.0f}" for rate in found) for name, found in rates.items()}
    table(
        f"Day count from Kafka to durable: {count:,} triggers, {SERVICES} services",
        [
            ("", "events/s", "of raw", "ours to theirs", "target", "runs"),
            ("raw drain", f"{raw:,.0f}", "", "", "", each["raw"]),
            ("pulsebot", f"{own:,.0f}", f"{own / raw:.2f}", "", "", each["ours"]),
            ("Kafka Streams", f"{streams:,.0f}", f"{streams / raw:.2f}", f"{own / streams:.2f}",
             f"≥ {OVER_STREAMS}", each["streams"]),
            ("Quix Streams", f"{quix:,.0f}", f"{quix / raw:.2f}", f"{own / quix:.1f}",
             f"≥ {OVER_QUIX}", each["quix"]),
        ],
    )  # fmt: skip


def main() -> None:
    """Start a broker and measure."""
    with one_broker() as bootstrap:
        measure(bootstrap, int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS)


if __name__ == "__main__":
    main()
