"""Publishing: rows a second into PostgreSQL, beside psycopg's executemany of the same rows.

    python -m tests.benchmarks.bench_publish [services]

A real server on loopback, fsync off; 90 days of so many services. The publisher reads its rows
from SQLite and writes them in batches with its progress; the yardstick has them in memory and
writes the same upserts in transactions of the same size. First all rows, then all again, changed.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from pulsebot import logs
from pulsebot.logs import Logs
from pulsebot.materialize.published import BATCH, Published
from pulsebot.publish.publisher import Publisher
from pulsebot.store import viewcatalog
from pulsebot.store.database import Connection, Database
from tests.benchmarks.measuring import afresh, table
from tests.benchmarks.viewload import DAY_COUNT, enter
from tests.postgres.provision import Unavailable, external, programs
from tests.postgres.server import Databases, PostgresServer

ROUNDS = 3
SERVICES, DAYS = 1_000, 90
DAY_MS = 86_400_000
FIRST_MS = 1_785_000_000_000 // DAY_MS * DAY_MS

CREATE = """
CREATE TABLE yardstick (service_id text, count bigint, windowstart timestamptz,
windowend timestamptz, PRIMARY KEY (service_id, windowstart))
"""
UPSERT = """
INSERT INTO yardstick VALUES (%s, %s, to_timestamp(%s / 1000.0), to_timestamp(%s / 1000.0))
ON CONFLICT (service_id, windowstart) DO UPDATE
SET count = excluded.count, windowend = excluded.windowend
"""


def rows(services: int, more: int) -> list[tuple[str, int, int, int]]:
    """Return service, count, start and end of every row."""
    return [
        (f"svc-{s}", d + more, FIRST_MS + d * DAY_MS, FIRST_MS + (d + 1) * DAY_MS)
        for s in range(services)
        for d in range(DAYS)
    ]


def _fill(connection: Connection, services: int, more: int) -> None:
    made = rows(services, more)
    for at in range(0, len(made), BATCH):
        revision = viewcatalog.next_revision(connection)
        connection.executemany(
            "INSERT OR REPLACE INTO view_1 (_key, _start_ms, _end_ms, _state, _shown, _revision,"
            " SERVICE_ID, COUNT) VALUES (?, ?, ?, x'9100', 1, ?, ?, ?)",
            [
                (f'["{s}"]', start, end, revision, s, n)
                for s, n, start, end in made[at : at + BATCH]
            ],
        )


def publish(url: str, services: int) -> tuple[float, float]:
    """Return rows a second of the first copy, and of upserts."""
    logs.configure(Logs(level="warning"))
    return asyncio.run(_publish(url, services))


async def _publish(url: str, services: int) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as name:
        async with Database(Path(name) / "bot.db") as database:
            await database.write(enter, 0, DAY_COUNT, "live")
            published = Published(database, None)
            await published.begin()
            await published.live()
            seconds = []
            for more in (1, 2):
                await database.write(_fill, services, more)
                publisher = Publisher(published, url, asyncio.Event)
                started = time.perf_counter()
                await publisher.run_to_end()
                seconds.append(time.perf_counter() - started)
                assert publisher.health() == {"BENCH_0": "ok"}
    return services * DAYS / seconds[0], services * DAYS / seconds[1]


def execute_many(url: str, services: int) -> tuple[float, float]:
    """Return rows a second of psycopg's executemany, first into an empty table."""
    seconds = []
    with psycopg.connect(url) as connection:
        connection.execute(CREATE)
        connection.commit()
        for more in (1, 2):
            made: list[Any] = rows(services, more)
            started = time.perf_counter()
            for at in range(0, len(made), BATCH):
                connection.cursor().executemany(UPSERT, made[at : at + BATCH])
                connection.commit()
            seconds.append(time.perf_counter() - started)
    return services * DAYS / seconds[0], services * DAYS / seconds[1]


@contextmanager
def server() -> Iterator[Databases]:
    """Give a server: the one that the environment names, else one of our own."""
    if given := external():
        yield Databases(given.url)
        return
    found = programs()
    if isinstance(found, Unavailable):
        sys.exit(f"NOT RUN: {found.reason}")
    with PostgresServer(found) as started:
        yield started


def main() -> None:
    """Start a server and measure, in turns."""
    services = int(sys.argv[1]) if len(sys.argv) > 1 else SERVICES
    ours, theirs = [], []
    with server() as databases:
        for _ in range(ROUNDS):
            for measured, runs in ((publish, ours), (execute_many, theirs)):
                with databases.database() as url:
                    runs.append(afresh(measured, url, services))
    lines = [("", "publisher, rows/s", "executemany, rows/s", "ratio")]
    for name, at in (("first copy", 0), ("upserts", 1)):
        left, right = (statistics.median(run[at] for run in runs) for runs in (ours, theirs))
        lines.append((name, f"{left:,.0f}", f"{right:,.0f}", f"{left / right:.1f}"))
    table(f"Publishing {services:,} services × {DAYS} days, batches of {BATCH:,}", lines)


if __name__ == "__main__":
    main()
