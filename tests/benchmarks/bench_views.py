"""SQL views: what they cost the ingest, and how quickly one is built and asked.

    python -m tests.benchmarks.bench_views [events]

A real broker on loopback; each measurement in a process of its own, taking turns. Ingest with 0,
1, 5 and 20 views beside 50 rules; one day count alone, from Kafka to durable rows, against the
raw drain; a new view built while the live side ingests; a pull query against the bare SELECT.
"""

import asyncio
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from zoneinfo import ZoneInfo

from pulsebot import logs
from pulsebot.decide import Decider
from pulsebot.intake import Intake
from pulsebot.logs import Logs
from pulsebot.materialize.builder import Around
from pulsebot.materialize.desk import Desk
from pulsebot.pipeline import Pipeline
from pulsebot.settings import Clock, Settings
from pulsebot.sift import preparing
from pulsebot.store import positions, viewcatalog
from pulsebot.store.database import Database
from pulsebot.stream.base import Partition, Reader, TopicPlan
from pulsebot.stream.config import KafkaStream, Topics
from pulsebot.stream.open import open_admin, open_reader, open_reader_apart
from pulsebot.views.dialect import parse_one
from pulsebot.views.statement import Query
from tests.benchmarks.bench_ingest import drain
from tests.benchmarks.load import MIX, PARTITIONS, produce, rules
from tests.benchmarks.measuring import afresh, one_broker, quantile, table
from tests.benchmarks.viewload import DAY_COUNT, enter, enter_live

ROUNDS = 3
EVENTS = 400_000
NUMBERS = (0, 1, 5, 20)
SERVICES, DAYS = 1_000, 90
ASKED = 300


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _live_reader(stream: KafkaStream) -> Reader:
    """Return the reader that a bot consumes by."""
    return open_reader_apart(stream, preparing(Clock()))


def ingest(stream: KafkaStream, count: int, views: int) -> float:
    """Return events a second of bringing everything into a database with so many views."""
    logs.configure(Logs(level="warning"))
    return asyncio.run(_ingest(stream, count, views))


async def _ingest(stream: KafkaStream, count: int, views: int) -> float:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        intake = Intake(Decider(rules(folder), ZoneInfo("UTC")), Clock())
        async with Database(folder / "bot.db") as database, _live_reader(stream) as reader:
            await database.write(enter_live, views)
            pipeline = Pipeline(database, reader, intake, now_ms=_now_ms, committed=lambda: None)
            await pipeline.start()
            started = time.perf_counter()
            await pipeline.run_to_end()
            return count / (time.perf_counter() - started)


def build(stream: KafkaStream, count: int) -> float:
    """Return events a second of building the day count alone from a full log."""
    logs.configure(Logs(level="warning"))
    return asyncio.run(_build(stream, count))


async def _build(stream: KafkaStream, count: int) -> float:
    with tempfile.TemporaryDirectory() as name:
        settings = Settings(stream=stream, database=Path(name) / "bot.db")
        async with Database(settings.database) as database:
            async with open_reader(stream) as reader:
                await database.write(positions.save, await reader.ends())
            await database.write(enter, 0, DAY_COUNT, "building")
            desk = Desk(Around(database, settings, _now_ms))
            started = time.perf_counter()
            await desk.builder.resume()
            await desk.builder.built()
            rate = count / (time.perf_counter() - started)
            [(counted,)] = await database.read(
                lambda c: c.execute("SELECT sum(COUNT) FROM BENCH_0").fetchall()
            )
            if counted != count:
                sys.exit(f"counted {counted:,} of {count:,}")
            return rate


def beside(stream: KafkaStream, count: int) -> tuple[float, float, float]:
    """Return rates of the live side alone, of it while a view is built, and of the building."""
    logs.configure(Logs(level="warning"))
    return asyncio.run(_beside(stream, count))


async def _beside(stream: KafkaStream, count: int) -> tuple[float, float, float]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = Settings(stream=stream, database=folder / "bot.db")
        intake = Intake(Decider(rules(folder), ZoneInfo("UTC")), Clock())
        async with Database(settings.database) as database, _live_reader(stream) as reader:
            pipeline = Pipeline(database, reader, intake, now_ms=_now_ms, committed=lambda: None)
            await pipeline.start()
            started = time.perf_counter()
            while intake.totals.records < count / 2:
                await pipeline.step()
            alone = intake.totals.records / (time.perf_counter() - started)
            view = await database.write(enter, 0, DAY_COUNT, "building")
            desk = Desk(Around(database, settings, _now_ms))
            before, started = intake.totals.records, time.perf_counter()
            await desk.builder.resume()
            while intake.totals.records < count and desk.builder.names():
                await pipeline.step()
            seconds = time.perf_counter() - started
            reach = await database.read(viewcatalog.reach, view)
            built = _read(reach) or intake.totals.records
            await desk.builder.close()
            await pipeline._let_go()
            return alone, (intake.totals.records - before) / seconds, built / seconds


def _read(reach: dict[Partition, tuple[int, int]]) -> int:
    return sum(after - first for first, after in reach.values())


def ask() -> tuple[list[float], list[float]]:
    """Return the milliseconds of pull queries and of the same bare reads, taken in turns."""
    logs.configure(Logs(level="warning"))
    return asyncio.run(_ask())


async def _ask() -> tuple[list[float], list[float]]:
    with tempfile.TemporaryDirectory() as name:
        settings = Settings(database=Path(name) / "bot.db")
        async with Database(settings.database) as database:
            await database.write(enter, 0, DAY_COUNT, "live")
            await database.write(_fill)
            desk = Desk(Around(database, settings, _now_ms))
            ours, bare = [], []
            with closing(sqlite3.connect(settings.database)) as connection:
                for number in range(ASKED):
                    service = f"svc-{number * 7 % SERVICES}"
                    where = f"SERVICE_ID = '{service}' AND WINDOWSTART >= '2026-09-01'"
                    query = parse_one(f"SELECT * FROM BENCH_0 WHERE {where}")  # noqa: S608 - our own names
                    assert isinstance(query, Query)
                    started = time.perf_counter()
                    answer = await desk.ask(query)
                    ours.append((time.perf_counter() - started) * 1000)
                    started = time.perf_counter()
                    found = connection.execute(query.text).fetchall()
                    bare.append((time.perf_counter() - started) * 1000)
                    assert len(answer.rows) == len(found) > 0
            return ours, bare


def _fill(connection: sqlite3.Connection) -> None:
    day_ms, first_ms = 86_400_000, 1_785_000_000_000 // 86_400_000 * 86_400_000
    rows = (
        (f'["svc-{s}"]', first_ms + d * day_ms, first_ms + (d + 1) * day_ms,
         time.strftime("%Y-%m-%dT00:00:00+00:00", time.gmtime(first_ms // 1000 + d * 86_400)),
         f"svc-{s}", d + 1)
        for s in range(SERVICES)
        for d in range(DAYS)
    )  # fmt: skip
    connection.executemany(
        "INSERT INTO view_1 (_key, _start_ms, _end_ms, _state, _shown, _revision, WINDOWSTART,"
        " SERVICE_ID, COUNT) VALUES (?, ?, ?, x'9100', 1, 1, ?, ?, ?)",
        rows,
    )


def measure(bootstrap: str, count: int, services: int) -> None:
    """Measure all that needs a broker, and print the tables."""
    prefix = f"views-{services}"
    topics = Topics(template=prefix + ".{kind}", partitions=PARTITIONS)
    stream = KafkaStream(type="kafka", bootstrap=[bootstrap], topics=topics)
    plans = [TopicPlan(name, PARTITIONS, 1, -1) for name in topics.to_read()]
    asyncio.run(open_admin(stream).create(plans))
    asyncio.run(produce(bootstrap, prefix, count, services))
    rates: dict[int, list[float]] = {number: [] for number in NUMBERS}
    for _ in range(ROUNDS):
        for number in NUMBERS:
            rates[number].append(afresh(ingest, stream, count, number))
    none = statistics.median(rates[0])
    table(
        f"Ingest with views: {count:,} events ({MIX}), {services:,} services, 50 rules",
        [
            ("views", "events/s", "of none", "target"),
            *(
                (f"{n}", f"{statistics.median(r):,.0f}", f"{statistics.median(r) / none:.2f}",
                 "≥ 0.50" if n == NUMBERS[-1] else "")
                for n, r in rates.items()
            ),
        ],
    )  # fmt: skip
    _measure_building(stream, count, services)


def _measure_building(stream: KafkaStream, count: int, services: int) -> None:
    trigger = [stream.topics.name("trigger", "")]
    only = stream.model_copy(update={"topics": stream.topics.model_copy(update={"read": trigger})})
    triggers = asyncio.run(_end(only))
    raw, built, live = [], [], []
    for _ in range(ROUNDS):
        raw.append(afresh(drain, stream.bootstrap[0], trigger, triggers))
        built.append(afresh(build, only, triggers))
        live.append(afresh(beside, stream, count))
    ratio = statistics.median(built) / statistics.median(raw)
    table(
        f"One day count alone, from Kafka to rows: {triggers:,} triggers, {services:,} services",
        [
            ("", "events/s", "runs"),
            ("raw drain", f"{statistics.median(raw):,.0f}", _each(raw)),
            ("day count", f"{statistics.median(built):,.0f}", _each(built)),
            ("ratio", f"{ratio:.2f}", ""),
        ],
    )
    alone, with_it, building = (statistics.median(column) for column in zip(*live, strict=True))
    table(
        "A view is built while the live side catches up as fast as it can",
        [
            ("", "events/s", "of alone"),
            ("live, alone", f"{alone:,.0f}", ""),
            ("live, beside", f"{with_it:,.0f}", f"{with_it / alone:.2f}"),
            ("building", f"{building:,.0f}", f"{building / alone:.2f}"),
        ],
    )


async def _end(stream: KafkaStream) -> int:
    async with open_reader(stream) as reader:
        return sum((await reader.ends()).values())


def measure_asking() -> None:
    """Measure pull queries and print the table."""
    ours, bare = afresh(ask)
    rows = [
        (name, f"{quantile(ours, q):.2f}", f"{quantile(bare, q):.2f}",
         f"{quantile(ours, q) / quantile(bare, q):.1f}")
        for name, q in (("p50, ms", 0.5), ("p99, ms", 0.99))
    ]  # fmt: skip
    title = f"Pull query by key and window: {SERVICES:,} services × {DAYS} days"
    table(title, [("", "pull", "bare SELECT", "ratio"), *rows])


def _each(rates: Sequence[float]) -> str:
    return " ".join(f"{rate:,.0f}" for rate in rates)


def main() -> None:
    """Start a broker and measure."""
    logs.configure(Logs(level="warning"))
    count = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    measure_asking()
    with one_broker() as bootstrap:
        for services in (200, 1_000):
            measure(bootstrap, count, services)


if __name__ == "__main__":
    main()
