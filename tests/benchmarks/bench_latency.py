"""Latency: a crash is produced → its alert is an HTTP request at the chat server.

    python -m tests.benchmarks.bench_latency [probes]

A real broker, a bot and a sender of 5,000 other events a second, each a process of its own; a
stand-in for Slack here. Crashes and bare records take turns; a bare record is fetched by a
consumer that does nothing else: the broker's own produce → fetch round trip is the yardstick.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from pulsebot import event as events
from pulsebot.event import CrashData
from pulsebot.stream.base import TopicPlan
from pulsebot.stream.config import KafkaStream
from pulsebot.stream.open import open_admin
from tests.benchmarks.load import PARTITIONS
from tests.benchmarks.measuring import one_broker, quantile, table
from tests.fakes.slack import FakeSlack
from tests.faults.rig import Rig

PROBES = 300
PAUSE_S = 0.05
RATE = 5_000
CHANNELS = 50
"""Slack takes one message a second for each channel: with so many, none is asked too soon."""

ECHO = "echo"
WAIT_S = 30.0
SETTLE_S = 5.0

RULES = """\
version: 1
rules:
  - {id: crash, when: {kind: crash}, condition: {type: any}, severity: critical,
     text: "{service} crashed: {error}"}
  - {id: busy, when: {kind: trigger, service: [svc-0, svc-1, svc-2]}, severity: warning,
     condition: {type: threshold, count: 10000, within: 1m}}
  - {id: unhealthy, when: {kind: status}, severity: critical,
     condition: {type: state, bad: [down], fail_after: 3}}
routes:
""" + "".join(
    f"  - {{match: {{service: [probe-{n}]}}, to: ['slack:#probe-{n}'], then: stop}}\n"
    for n in range(CHANNELS)
)


async def crash(producer: AIOKafkaProducer, slack: FakeSlack, number: int) -> float:
    """Return the seconds from producing a crash to its request at the chat server."""
    name = f"Probe{number:05}"
    event = events.crash(f"probe-{number % CHANNELS}", datetime.now(UTC), CrashData(error=name))
    started = time.time()
    await producer.send("pulse.crash", events.encode(event), partition=number % PARTITIONS)

    def arrived() -> list[float]:
        return [m.received for m in slack.messages[-CHANNELS:] if name in m.shown]

    await slack.until(lambda: bool(arrived()), WAIT_S)
    return arrived()[0] - started


async def echo(producer: AIOKafkaProducer, consumer: AIOKafkaConsumer) -> float:
    """Return the seconds from producing a record to fetching it."""
    started = time.time()
    await producer.send(ECHO, b"x" * 250)
    await consumer.getone()
    return time.time() - started


@asynccontextmanager
async def others(bootstrap: str) -> AsyncIterator[None]:
    """Have the other events sent while the context is entered."""
    words = ["-m", "tests.benchmarks.others", bootstrap, "pulse", str(RATE)]
    process = await asyncio.create_subprocess_exec(sys.executable, *words)
    try:
        yield
        assert process.returncode is None, "the sender of other events ended"
    finally:
        process.kill()
        await process.wait()


async def measure(
    bootstrap: str, folder: Path, probes: int
) -> tuple[list[float], list[float], float]:
    """Return milliseconds of alerts and of round trips, and the other events a second."""
    topics = {"partitions": PARTITIONS, "replication": 1}
    stream = {"type": "kafka", "bootstrap": [bootstrap], "topics": topics}
    await open_admin(KafkaStream.model_validate(stream)).create([TopicPlan(ECHO, 1, 1, -1)])
    async with AsyncExitStack() as stack:
        slack = await stack.enter_async_context(FakeSlack())
        rig = await stack.enter_async_context(Rig(folder, slack, RULES, stream=stream))
        await rig.create_topics()
        await rig.start()
        await rig.ready()
        producer = await stack.enter_async_context(AIOKafkaProducer(bootstrap_servers=bootstrap))
        consumer = await stack.enter_async_context(AIOKafkaConsumer(bootstrap_servers=bootstrap))
        consumer.assign([TopicPartition(ECHO, 0)])
        await consumer.seek_to_end()
        await stack.enter_async_context(others(bootstrap))
        await asyncio.sleep(SETTLE_S)
        started, before = time.monotonic(), sum(rig.positions().values())
        alerts, trips = [], []
        for number in range(probes):
            alerts.append(await crash(producer, slack, number) * 1000)
            trips.append(await echo(producer, consumer) * 1000)
            await asyncio.sleep(PAUSE_S)
        rate = (sum(rig.positions().values()) - before) / (time.monotonic() - started)
        return alerts, trips, rate


def main() -> None:
    """Start everything and measure."""
    probes = int(sys.argv[1]) if len(sys.argv) > 1 else PROBES
    with one_broker() as bootstrap, tempfile.TemporaryDirectory() as folder:
        alerts, trips, rate = asyncio.run(measure(bootstrap, Path(folder), probes))
    quantiles = (0.5, 0.9, 0.99)
    table(
        f"Crash → request at the chat server: {probes} crashes beside {rate:,.0f} events/s",
        [
            ("", "p50", "p90", "p99"),
            ("produce → fetch, ms", *(f"{quantile(trips, q):.1f}" for q in quantiles)),
            ("crash → request, ms", *(f"{quantile(alerts, q):.1f}" for q in quantiles)),
            ("ratio", *(f"{quantile(alerts, q) / quantile(trips, q):.1f}" for q in quantiles)),
        ],
    )


if __name__ == "__main__":
    main()
