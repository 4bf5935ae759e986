"""A sender of other people's events: so many a second, until it is ended.

python -m tests.benchmarks.others BOOTSTRAP PREFIX RATE
"""

import asyncio
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from itertools import cycle
from zlib import crc32

from aiokafka import AIOKafkaProducer
from msgspec.structs import replace

from pulsebot import event as events
from tests.benchmarks.load import PARTITIONS, load

SERVICES = 200
SLICE_S = 0.02
"""Events come in slices of this length, so that the rate is even."""


async def send(bootstrap: str, prefix: str, rate: int) -> None:
    """Send triggers and statuses of now; a slice that takes too long is not made up for."""
    made = [event for event in load(20_000, SERVICES) if event.kind in ("trigger", "status")]
    endless = cycle(made)
    sequences: Counter[str | None] = Counter()
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=5) as producer:
        due = time.monotonic()
        while True:
            now = datetime.now(UTC)
            for _ in range(round(rate * SLICE_S)):
                event = next(endless)
                sequences[event.producer] += 1
                fresh = replace(event, time=now, sequence=sequences[event.producer])
                await producer.send(
                    f"{prefix}.{event.kind}",
                    events.encode(fresh),
                    partition=crc32(event.service.encode()) % PARTITIONS,
                )
            due = max(due + SLICE_S, time.monotonic())
            await asyncio.sleep(due - time.monotonic())


if __name__ == "__main__":
    asyncio.run(send(sys.argv[1], sys.argv[2], int(sys.argv[3])))
