import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pulsebot import event as events
from pulsebot import pipeline as pipelines
from pulsebot.civil import zone_of
from pulsebot.decide import Decider
from pulsebot.event import CrashData, Event, MessageData, State, StatusData, TriggerData
from pulsebot.intake import Intake
from pulsebot.pipeline import Pipeline
from pulsebot.ruleset import Ruleset, load_rules
from pulsebot.settings import Clock
from pulsebot.store.database import Database
from pulsebot.stream.base import Gap, Partition
from tests.fakes.clock import ManualClock
from tests.fakes.stream import ListStream
from tests.patience import PATIENCE_S

START_MS = 1_780_000_000_000
RULES = """\
version: 1
rules:
  - {id: said, when: {kind: message}, condition: {type: any}, severity: info}
  - id: crash-loop
    when: {kind: crash}
    condition: {type: threshold, count: 3, within: 1m, by: [service]}
    severity: critical
  - id: new-crash
    when: {kind: crash}
    condition: {type: fingerprint, on: [new]}
    severity: critical
  - id: unwell
    when: {kind: status}
    condition: {type: state, bad: [down], fail_after: 2, ok_after: 2}
    severity: critical
routes:
  - {match: {}, to: [rec:ops], then: stop}
"""


class Bench:
    """A pipeline over a list stream and a real database, with a clock set by hand."""

    def __init__(self, database: Database, ruleset: Ruleset, stream: ListStream) -> None:
        self.database = database
        self.stream = stream
        self.clock = ManualClock(START_MS)
        self.wakes = 0
        self.pipeline = Pipeline(
            database,
            stream,
            Intake(Decider(ruleset, zone_of("UTC")), Clock()),
            now_ms=self.clock,
            committed=self._committed,
        )

    def _committed(self) -> None:
        self.wakes += 1

    async def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        return await self.database.read(lambda c: c.execute(sql).fetchall())

    async def tick(self, seconds: float) -> None:
        """Let time pass, and take one step."""
        self.clock.advance(seconds)
        await self.pipeline.step()


Open = Callable[[ListStream], Awaitable[Bench]]


@pytest.fixture
def ruleset(tmp_path: Path) -> Ruleset:
    """Give the rules above."""
    path = tmp_path / "rules.yaml"
    path.write_text(RULES)
    return load_rules([path], chats={"rec": None})


@pytest.fixture
async def opened(tmp_path: Path, ruleset: Ruleset) -> AsyncIterator[Open]:
    """Give what makes a bench with a database of its own."""
    databases: list[Database] = []

    async def make(stream: ListStream) -> Bench:
        database = Database(tmp_path / f"pulsebot-{len(databases)}.db")
        databases.append(await database.__aenter__())
        bench = Bench(database, ruleset, stream)
        await bench.pipeline.start()
        return bench

    yield make
    for database in databases:
        await database.__aexit__()


def at(ms: int) -> datetime:
    """Return a time that many milliseconds after the start."""
    return datetime.fromtimestamp(START_MS / 1000, UTC) + timedelta(milliseconds=ms)


def crash(ms: int, service: str = "svc-a") -> bytes:
    """Return a crash, encoded."""
    return events.encode(events.crash(service, at(ms), CrashData(error="Oops")))


def trigger(ms: int, service: str = "svc-a", count: int = 1) -> bytes:
    """Return a trigger, encoded."""
    return events.encode(events.trigger(service, at(ms), TriggerData(count=count)))


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - the pipeline tells nobody of its failures
            await asyncio.sleep(0.01)


async def end(task: asyncio.Task[None]) -> None:
    """Cancel a task that runs for ever."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


COUNTS = "SELECT kind, service, sum(count) FROM count_1m GROUP BY 1, 2 ORDER BY 1, 2"


# --- where a batch ends -------------------------------------------------------------------------

TABLES = {
    "position": "*",
    "count_1m": "*",
    "crash_group": "*",
    "crash_count": "*",
    "crash": "service, fingerprint, at_ms, instance, error",  # not the id, which may be used again
    "instance": "*",
    "status_change": "*",
    "app_message": "*",
    "mark_range": "producer, ranges",
    "mark_id": "hash",
    "condition_state": "*",
    "alert": "*",
    "decision": "*",
    "outbox": "seq, id, receiver, priority, message",
    "dead_letter": "topic, partition, offset, reason",
}
"""Every table that events write to, but for the wall clock's traces."""


def _mixed(seed: int) -> list[tuple[bytes, int, int]]:
    """Return values with log time and lane: all kinds, repeated, late, disordered, bad."""
    chance = random.Random(seed)  # noqa: S311 - to be repeatable
    made: list[tuple[bytes, int, int]] = []
    for number in range(600):
        log_ms = START_MS + number * 400
        if made and chance.random() < 0.1:
            made.append((chance.choice(made)[0], log_ms, chance.randrange(3)))
        elif chance.random() < 0.03:
            made.append((b"\xff{", log_ms, chance.randrange(3)))
        else:
            event = _event(chance, number)
            if number % 3:
                event = msgspec.structs.replace(event, producer="p", sequence=number)
            made.append((events.encode(event), log_ms, hash_of(event.service) % 3))
    return made


def hash_of(service: str) -> int:
    """Return a number that stays the same from run to run."""
    return sum(service.encode())


def _event(chance: random.Random, number: int) -> Event:
    service = f"svc-{chance.choice('abcd')}"
    time = at(number * 400 - chance.choice([0, 0, 0, 5_000, 90_000, 40 * 86_400_000]))
    identity = f"e-{number}"
    match chance.choice(["trigger", "trigger", "crash", "status", "message"]):
        case "trigger":
            return events.trigger(service, time, TriggerData(count=3), id=identity)
        case "crash":
            data = CrashData(error=chance.choice(["ValueError", "OSError"]))
            return events.crash(service, time, data, id=identity)
        case "status":
            state = chance.choice([State.UP, State.DOWN, State.STARTING])
            return events.status(service, time, StatusData(state=state), id=identity)
        case _:
            return events.message(service, time, MessageData(text="hello"), id=identity)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_where_a_batch_ends_decides_nothing(
    opened: Open, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same records one by one, read ahead by sevens, and all at once leave the same tables."""
    found: list[dict[str, list[tuple[Any, ...]]]] = []
    for batch in (1, 7, 10_000):
        monkeypatch.setattr(pipelines, "BATCH", max(7, batch))
        stream = ListStream(batch)
        for value, log_ms, lane in _mixed(seed):
            stream.add(value, at_ms=log_ms, partition=lane)
        bench = await opened(stream)
        bench.clock.advance(600 * 0.4)
        await bench.pipeline.start()
        await bench.pipeline.run_to_end()
        found.append({t: await bench.rows(f"SELECT {c} FROM {t}") for t, c in TABLES.items()})  # noqa: S608 - from the table above
    assert [t for t in TABLES if not found[0][t]] == [], "the load fills every table"
    for table in TABLES:
        assert found[0][table] == found[1][table] == found[2][table], table


# --- time ---------------------------------------------------------------------------------------


async def test_nothing_is_resolved_while_a_lane_lags(opened: Open) -> None:
    """An alert stays until we know that no crash waits unread; then it is resolved."""
    bench = await opened(ListStream())
    for ms in (0, 1, 2):
        bench.stream.add(crash(ms), at_ms=START_MS + ms)
    bench.stream.add(trigger(0), at_ms=START_MS, partition=1)
    await bench.tick(2)
    lagging = Partition("pulse", 1)
    bench.stream.held.add(lagging)
    bench.stream.add(trigger(3000), at_ms=START_MS + 3000, partition=1)
    states = "SELECT state FROM alert WHERE rule = 'crash-loop'"
    for minutes in range(1, 10):  # the other lane goes on, so the stream is not just silent
        bench.stream.add(trigger(minutes * 60_000), at_ms=START_MS + minutes * 60_000, partition=2)
        await bench.tick(60)
    assert bench.pipeline.lag() == 1
    assert await bench.rows(states) == [("firing",)]
    bench.stream.held.clear()
    await bench.tick(2)
    assert bench.pipeline.lag() == 0
    assert await bench.rows(states) == [("resolved",)]


async def test_tells_up_to_when_the_stream_was_read(opened: Open) -> None:
    """What lags holds it back to the last record that was read there, and it never goes back."""
    bench = await opened(ListStream())
    assert bench.pipeline.read_until_ms == 0
    bench.stream.add(trigger(0), at_ms=START_MS, partition=1)
    await bench.tick(2)
    caught_up_ms = bench.clock()
    assert bench.pipeline.read_until_ms == caught_up_ms
    lagging = Partition("pulse", 1)
    bench.stream.held.add(lagging)
    bench.stream.add(trigger(3000), at_ms=START_MS + 3000, partition=1)
    await bench.tick(2)
    assert bench.pipeline.read_until_ms == caught_up_ms
    bench.stream.held.clear()
    await bench.tick(2)
    assert bench.pipeline.read_until_ms == bench.clock()


async def test_an_alert_goes_on_with_what_waited_in_the_lagging_lane(opened: Open) -> None:
    """Crashes that were read late keep the episode open, as if they had come in time."""
    bench = await opened(ListStream())
    for ms in (0, 1, 2):
        bench.stream.add(crash(ms), at_ms=START_MS + ms)
    await bench.tick(2)
    late = Partition("pulse", 0)
    bench.stream.held.add(late)
    for ms in (50_000, 50_001, 50_002):
        bench.stream.add(crash(ms), at_ms=START_MS + ms)
    bench.stream.add(trigger(70_000), at_ms=START_MS + 70_000, partition=1)
    await bench.tick(70)
    bench.stream.held.clear()
    await bench.tick(2)
    alerts = "SELECT state, count FROM alert WHERE rule = 'crash-loop'"
    assert await bench.rows(alerts) == [("firing", 6)]


async def test_an_outage_of_the_stream_is_told_and_no_time_passes(opened: Open) -> None:
    """However long the stream is away, nothing is resolved before what it holds was read."""
    bench = await opened(ListStream())
    for ms in (0, 1, 2):
        bench.stream.add(crash(ms), at_ms=START_MS + ms)
    await bench.tick(2)
    bench.stream.away = True
    await bench.tick(3600)
    assert bench.pipeline.failure == "the stream is away"
    for ms in (50_000, 50_001, 50_002):
        bench.stream.add(crash(ms), at_ms=START_MS + ms)
    bench.stream.away = False
    bench.stream.held.add(Partition("pulse", 0))
    await bench.tick(3600)
    assert bench.pipeline.failure is None
    alerts = "SELECT state FROM alert WHERE rule = 'crash-loop'"
    assert await bench.rows(alerts) == [("firing",)]
    bench.stream.held.clear()
    await bench.tick(1)
    alerts = "SELECT state, count FROM alert WHERE rule = 'crash-loop'"
    assert await bench.rows(alerts) == [("resolved", 6)]


async def test_records_that_nobody_can_read_do_not_stop_time(opened: Open) -> None:
    """A hole at the end of a lane is waited for a while, then alerts are resolved."""
    bench = await opened(ListStream())
    for ms in (0, 1, 2):
        bench.stream.add(crash(ms), at_ms=START_MS + ms)
    await bench.tick(2)
    bench.stream.add(trigger(3), at_ms=START_MS + 3)
    bench.stream.held.add(Partition("pulse", 0))
    await bench.tick(3600)
    alerts = "SELECT state FROM alert WHERE rule = 'crash-loop'"
    assert await bench.rows(alerts) == [("firing",)]
    for _ in range(pipelines.STALL_TICKS):
        await bench.tick(1)
    assert await bench.rows(alerts) == [("resolved",)]


async def test_delivery_is_woken_by_what_was_committed(opened: Open) -> None:
    """After a batch somebody looks into the outbox at once."""
    bench = await opened(ListStream())
    bench.stream.add(crash(0), at_ms=START_MS)
    await bench.pipeline.step()
    assert bench.wakes
    assert len(await bench.rows("SELECT id FROM outbox")) == 1


# --- going on after an end ----------------------------------------------------------------------


async def test_a_new_pipeline_goes_on_where_the_last_one_ended(
    opened: Open, ruleset: Ruleset
) -> None:
    """Offsets are where the counts are: nothing is read twice, nothing left out."""
    bench = await opened(ListStream(batch=2))
    for ms in range(5):
        bench.stream.add(trigger(ms), at_ms=START_MS + ms)
    await bench.pipeline.step()
    again = Bench(bench.database, ruleset, bench.stream)
    await again.pipeline.start()
    await again.pipeline.run_to_end()
    assert await bench.rows(COUNTS) == [("trigger", "svc-a", 5)]


async def test_what_was_read_ahead_of_a_stop_is_read_again(
    opened: Open, ruleset: Ruleset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop while the next batch is read beside leaves that batch to the next start."""
    monkeypatch.setattr(pipelines, "BATCH", 2)
    bench = await opened(ListStream(batch=2))
    for ms in range(5):
        bench.stream.add(trigger(ms), at_ms=START_MS + ms)
    running = asyncio.create_task(bench.pipeline.run())
    await until(lambda: bench.pipeline.positions != {})
    await end(running)
    again = Bench(bench.database, ruleset, bench.stream)
    await again.pipeline.start()
    await again.pipeline.run_to_end()
    assert await bench.rows(COUNTS) == [("trigger", "svc-a", 5)]


async def test_what_retention_took_is_kept_in_mind(opened: Open) -> None:
    """A gap in the log is noted with its bounds."""
    bench = await opened(ListStream())
    bench.stream.removed.append(Gap(Partition("pulse", 0), 5, 9))
    await bench.pipeline.step()
    gaps = await bench.rows("SELECT topic, partition, asked, earliest FROM gap")
    assert gaps == [("pulse", 0, 5, 9)]


# --- what cannot be taken in --------------------------------------------------------------------


async def test_a_record_that_our_code_cannot_take_in_is_refused_alone(opened: Open) -> None:
    """Where the database itself refuses what an event causes, its neighbours are counted."""
    bench = await opened(ListStream())
    await bench.database.write(
        lambda c: c.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON count_1m WHEN NEW.service = 'cursed'"
            " BEGIN SELECT RAISE(ABORT, 'not this one'); END"
        )
    )
    for ms, service in enumerate(["svc-a", "cursed", "svc-b", "cursed", "svc-a"]):
        bench.stream.add(crash(ms, service), at_ms=START_MS + ms)
    await bench.tick(2)
    assert await bench.rows(COUNTS) == [("crash", "svc-a", 2), ("crash", "svc-b", 1)]
    letters = await bench.rows("SELECT offset, reason FROM dead_letter ORDER BY offset")
    assert [offset for offset, _ in letters] == [1, 3]
    assert all("IntegrityError" in reason and "retry" in reason for _, reason in letters)
    assert await bench.rows("SELECT next_offset FROM position") == [(5,)]
    assert await bench.rows("SELECT count(*) FROM crash WHERE service = 'cursed'") == [(0,)]


@pytest.mark.parametrize("value", [None, b"9" * 30, b"9" * 5000, b"x", b"-1"])
async def test_a_nonsensical_retry_header_does_not_harm_an_event(
    opened: Open, value: bytes | None
) -> None:
    """A header that anybody can write is no reason to refuse what comes with it."""
    bench = await opened(ListStream())
    header: Any = ("pulsebot_retry_of", value)  # Kafka's headers may be null
    bench.stream.add(trigger(0), at_ms=START_MS, headers=[header])
    await bench.tick(2)
    assert await bench.rows("SELECT reason FROM dead_letter") == []
    assert await bench.rows(COUNTS) == [("trigger", "svc-a", 1)]


async def test_a_full_disk_is_told_and_waited_out(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the database has no room nothing is lost or refused, and the pipeline says why."""
    monkeypatch.setattr(pipelines, "RETRY_S", 0.01)
    bench = await opened(ListStream())
    pages = await bench.database.write(lambda c: c.execute("PRAGMA page_count").fetchone()[0])
    await bench.database.write(lambda c: c.execute(f"PRAGMA max_page_count = {pages}").fetchall())
    for number in range(2000):
        bench.stream.add(trigger(number * 60_000 - 10**8, f"svc-{number}"), at_ms=START_MS)
    consuming = asyncio.create_task(bench.pipeline.run())
    await until(lambda: bench.pipeline.failure is not None)
    assert bench.pipeline.failure == "the database cannot be written: database or disk is full"
    assert await bench.rows(COUNTS) == []
    await bench.database.write(lambda c: c.execute("PRAGMA max_page_count = 100000").fetchall())
    await until(lambda: bench.pipeline.failure is None)
    await end(consuming)
    assert len(await bench.rows(COUNTS)) == 2000
    assert await bench.rows("SELECT * FROM dead_letter") == []


async def test_a_locked_database_is_told_and_waited_out(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else's long transaction on the file stops nothing for good."""
    monkeypatch.setattr(pipelines, "RETRY_S", 0.01)
    bench = await opened(ListStream())
    await bench.database.write(lambda c: c.execute("PRAGMA busy_timeout = 0").fetchall())
    bench.stream.add(trigger(0), at_ms=START_MS)
    with closing(sqlite3.connect(bench.database.path, isolation_level=None)) as intruder:
        intruder.execute("BEGIN IMMEDIATE")
        consuming = asyncio.create_task(bench.pipeline.run())
        await until(lambda: "locked" in (bench.pipeline.failure or ""))
    await until(lambda: bench.pipeline.failure is None)
    await end(consuming)
    assert await bench.rows(COUNTS) == [("trigger", "svc-a", 1)]
