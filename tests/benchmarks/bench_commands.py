"""Commands: `/triggers svc-a today` in a database of 1,000 services and 90 days of buckets.

    python -m tests.benchmarks.bench_commands

The whole way from the words to the answer, against the bare SELECT of that number on the same
file, in turns, in a process of its own. 82 days of quarter hours and 8 days with a minute in
five: ten million rows. Every question is for another service, so pages come as they would.
"""

import asyncio
import sqlite3
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from pulsebot import logs
from pulsebot.bot import Bot
from pulsebot.chat.base import Asker, Incoming
from pulsebot.civil import instant, zone_of
from pulsebot.logs import Logs
from pulsebot.settings import Settings
from pulsebot.store.database import Connection, ReadOnly, connect, migrate, transaction
from pulsebot.window import DAY_MS, MINUTE_MS, QUARTER_MS
from tests.benchmarks.measuring import afresh, quantile, table

SERVICES, DAYS, MINUTE_DAYS = 1_000, 90, 8
EVERY_MINUTES = 5
ZONE = "Europe/Berlin"
ASKED = 1_000

_FILL = """
WITH RECURSIVE bucket (start_ms) AS (
    SELECT :from UNION ALL SELECT start_ms + :step FROM bucket WHERE start_ms + :step < :to
)
INSERT INTO {table}
SELECT 'trigger', service, start_ms, 1 + (start_ms / :step) % 9
FROM service CROSS JOIN bucket ORDER BY service, start_ms
"""

_BARE = """
SELECT sum(count) FROM (
    SELECT count FROM count_1m
    WHERE kind = 'trigger' AND service = :service AND start_ms >= :from AND start_ms < :to
    UNION ALL
    SELECT count FROM count_15m
    WHERE kind = 'trigger' AND service = :service AND start_ms >= :from AND start_ms < :to
)
"""


def fill(connection: Connection, now_ms: int) -> int:
    """Write the buckets as a bot would have left them; return how many."""
    minutes_ms = (now_ms - MINUTE_DAYS * DAY_MS) // QUARTER_MS * QUARTER_MS
    begin_ms = minutes_ms - (DAYS - MINUTE_DAYS) * DAY_MS
    with transaction(connection):
        connection.executemany(
            "INSERT INTO service VALUES (?, ?, ?, 0)",
            [(f"svc-{number}", begin_ms, now_ms) for number in range(SERVICES)],
        )
        for name, from_ms, to_ms, step_ms in (
            ("count_15m", begin_ms, minutes_ms, QUARTER_MS),
            ("count_1m", minutes_ms, now_ms, EVERY_MINUTES * MINUTE_MS),
        ):
            # Sorted once at the end: kept row by row, the index would take minutes.
            connection.execute(f"DROP INDEX {name}_start")
            connection.execute(
                _FILL.format(table=name), {"from": from_ms, "to": to_ms, "step": step_ms}
            )
            connection.execute(f"CREATE INDEX {name}_start ON {name} (kind, start_ms)")
    [(rows,)] = connection.execute(
        "SELECT (SELECT count(*) FROM count_1m) + (SELECT count(*) FROM count_15m)"
    )
    return int(rows)


def ask(path: Path, now_ms: int) -> tuple[list[float], list[float]]:
    """Return the milliseconds of commands and of bare SELECTs, taken in turns."""
    logs.configure(Logs(level="warning"))
    return asyncio.run(_ask(path, now_ms))


async def _ask(path: Path, now_ms: int) -> tuple[list[float], list[float]]:
    settings = Settings(database=path, timezone=ZONE)
    midnight = datetime.fromtimestamp(now_ms / 1000, zone_of(ZONE)).replace(
        hour=0, minute=0, second=0, microsecond=0, tzinfo=None
    )
    times = {"from": instant(midnight, zone_of(ZONE)), "to": now_ms}
    ours, bare = [], []
    async with ReadOnly(path) as database:
        bot = Bot(database, settings, now_ms=lambda: now_ms, behind=lambda: 0)
        with closing(connect(path, read_only=True)) as connection:
            for number in range(ASKED):
                service = f"svc-{number * 7 % SERVICES}"
                started = time.perf_counter()
                answer = await bot.run(
                    Incoming(Asker("console", "", ""), f"/triggers {service} today")
                )
                ours.append((time.perf_counter() - started) * 1000)
                started = time.perf_counter()
                [(count,)] = connection.execute(_BARE, {"service": service, **times})
                bare.append((time.perf_counter() - started) * 1000)
                assert f"{service}: {count:,} triggers" in answer.title
    return ours, bare


def _p50_p99(values: list[float]) -> tuple[str, str]:
    return f"{quantile(values, 0.5):.2f}", f"{quantile(values, 0.99):.2f}"


def main() -> None:
    """Fill a database and measure."""
    now_ms = int(datetime.now(UTC).replace(hour=20, minute=7).timestamp() * 1000)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bot.db"
        with closing(connect(path)) as connection:
            migrate(connection, path)
            rows = fill(connection, now_ms)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size_mb = path.stat().st_size / 1e6
        ours, bare = afresh(ask, path, now_ms)
    table(
        f"`/triggers svc-a today`: {SERVICES:,} services, {DAYS} days, {rows:,} buckets"
        f" ({size_mb:,.0f} MB), {ASKED:,} questions, SQLite {sqlite3.sqlite_version}",
        [
            ("", "p50", "p99"),
            ("bare SELECT, ms", *_p50_p99(bare)),
            ("command, ms", *_p50_p99(ours)),
            ("ratio", *(f"{quantile(ours, q) / quantile(bare, q):.1f}" for q in (0.5, 0.99))),
        ],
    )


if __name__ == "__main__":
    main()
