"""The load of the ingest benchmark: events as crawlers send them, and 50 rules over them."""

import logging
import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zlib import crc32

from aiokafka import AIOKafkaProducer
from msgspec.structs import replace

from pulsebot import event as events
from pulsebot.event import CrashData, Event, MessageData, State, StatusData, TriggerData
from pulsebot.ruleset import Ruleset, load_rules

PARTITIONS = 6
MIX = "95 % triggers, 3 % statuses, 1 % messages, 1 % crashes"
_TAGS = {"env": "prod", "team": "core"}
_FLEET = """\
  - {id: new-crash, when: {kind: crash}, condition: {type: fingerprint}, severity: error}
  - id: unhealthy
    when: {kind: status, tags: {env: prod}}
    condition: {type: state, bad: [down, degraded], fail_after: 3}
    severity: critical
"""
_OF_ONE = {
    "busy": ("trigger", "{type: threshold, count: 1000, within: 1m}", ""),
    "loop": ("crash", "{type: threshold, count: 50, within: 1m}", ""),
    "unwell": ("status", "{type: state, bad: [down], fail_after: 3}", ""),
    "said": ("message", "{type: any}", ", level: [error, critical]"),
}


def rules(folder: Path) -> Ruleset:
    """Return 50 rules: 2 over all services, 12 of each of four kinds over one service each."""
    lines = [
        f"  - {{id: {name}-{number}, when: {{kind: {kind}, service: svc-{number},"
        f" tags: {{env: prod}}{more}}}, condition: {condition}, severity: warning}}\n"
        for name, (kind, condition, more) in _OF_ONE.items()
        for number in range(12)
    ]
    path = folder / "rules.yaml"
    route = "routes:\n  - {match: {}, to: [console], then: stop}\n"
    path.write_text("".join(["version: 1\nrules:\n", _FLEET, *lines, route]))
    return load_rules([path], chats={"console": None})


def load(count: int, services: int) -> Iterator[Event]:
    """Make events of about 250 bytes, a millisecond apart, ending about now."""
    dice = random.Random(1)  # noqa: S311 - the load is to be repeatable
    sequences: Counter[str] = Counter()
    start = datetime.now(UTC) - timedelta(milliseconds=count)
    for number in range(count):
        service = f"svc-{dice.randrange(services)}"
        sequences[service] += 1
        made = _one(dice.random(), service, start + timedelta(milliseconds=number))
        yield replace(made, producer=f"p-{service}", sequence=sequences[service])


def _one(kind: float, service: str, at: datetime) -> Event:
    if kind < 0.95:
        return events.trigger(service, at, TriggerData(name="order", tags=_TAGS), instance="i-1")
    if kind < 0.98:
        data = StatusData(state=State.UP, rss=10**8, tags=_TAGS)
        return events.status(service, at, data, instance="i-1")
    if kind < 0.99:
        said = MessageData(text="order 4711 was placed", tags=_TAGS)
        return events.message(service, at, said, instance="i-1")
    crash = CrashData(error="ValueError", message="no such order", tags=_TAGS)
    return events.crash(service, at, crash, instance="i-1")


async def produce(bootstrap: str, prefix: str, count: int, services: int) -> int:
    """Write the load, each service to one partition; return the bytes of all values."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # new topics have no leaders yet
    written = 0
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap, linger_ms=20, max_batch_size=500_000
    ) as producer:
        for made in load(count, services):
            value = events.encode(made)
            written += len(value)
            await producer.send(
                f"{prefix}.{made.kind}",
                value,
                partition=crc32(made.service.encode()) % PARTITIONS,
                timestamp_ms=made.time_ms,
            )
    return written
