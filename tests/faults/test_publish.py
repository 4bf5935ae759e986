"""kill -9 of the bot and of PostgreSQL while views are published: both have the same rows."""

import asyncio
import json
import os
import random
import secrets
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.fakes.slack import FakeSlack
from tests.faults.rig import LoadWriter, Rig, event
from tests.faults.viewsoracle import QUERIES, REPLACEMENTS, STATEMENTS, expected_rows
from tests.faults.writer import read_notes
from tests.postgres.server import PostgresServer
from tests.publish.site import asked, equal

RULES = """\
version: 1
routes:
  - {match: {}, to: [slack:#nobody], then: stop}
"""
"""None: this is about views."""

MANY_ROWS = """
CREATE TABLE TICKS AS SELECT SERVICE_ID, PRODUCER, COUNT(*) N FROM SERVICE_TRIGGER
WINDOW TUMBLING (SIZE 1 SECOND) GROUP BY SERVICE_ID, PRODUCER;
"""


class Fate:
    """What happens to the bot at `rig` and the server behind its publishing, by a seed."""

    def __init__(self, rig: Rig, server: PostgresServer, seed: int) -> None:
        self._rig = rig
        self._server = server
        self._chance = random.Random(seed)  # noqa: S311 - to be repeatable
        self._replacing: list[asyncio.Task[Any]] = []

    async def strike(self) -> None:
        """Let one of them die, after a while, or a view be replaced meanwhile."""
        await asyncio.sleep(self._chance.uniform(0.1, 1.5))
        await self._chance.choice([self._bot, self._server_end, self._backends, self._replace])()

    async def rest(self) -> None:
        """Wait until nothing is being replaced any longer."""
        await asyncio.gather(*self._replacing, return_exceptions=True)

    async def _bot(self) -> None:
        await self._rig.kill()
        await self._rig.start()

    async def _server_end(self) -> None:
        await asyncio.to_thread(self._chance.choice([self._server.stop, self._server.kill]))
        await asyncio.sleep(self._chance.uniform(0, 1))
        await asyncio.to_thread(self._server.start)

    async def _backends(self) -> None:
        await asyncio.to_thread(self._server.kill_backends)
        await asyncio.to_thread(self._server.until_ready)

    async def _replace(self) -> None:
        """Begin to replace a view; a bot that is killed from now on goes on with it later."""
        statement = self._chance.choice(REPLACEMENTS)
        # A command that found no bot would take the database for itself.
        await self._rig.until(lambda: self._rig.probe("livez")[0] == 200)
        before = self._rig.rows(_NEWEST)
        replacing = asyncio.create_task(self._rig.cli("sql", statement))
        self._replacing.append(replacing)
        await self._rig.until(lambda: replacing.done() or self._rig.rows(_NEWEST) != before)


_NEWEST = "SELECT max(id) FROM sql_view"


async def _bear_kills(rig: Rig, server: PostgresServer, url: str, kills: int) -> None:
    seed = int(os.environ.get("PULSEBOT_TEST_SEED") or secrets.randbits(32))
    print(f"PULSEBOT_TEST_SEED={seed}")  # noqa: T201 - to repeat a run that failed
    fate = Fate(rig, server, seed)
    await rig.start()
    await rig.ready()
    code, _, error = await rig.cli("sql", STATEMENTS + MANY_ROWS)
    assert code == 0, error
    async with LoadWriter(rig, seed, 1500) as writer:
        for _ in range(kills):
            await fate.strike()
    await fate.rest()
    await rig.drained()
    await rig.until(lambda: rig.rows("SELECT name FROM sql_view WHERE state = 'building'") == [])
    for view in (*QUERIES, "TICKS"):
        await rig.until(lambda view=view: equal(rig.settings, url, view))
    assert await rig.terminate() == 0
    expected = expected_rows(read_notes(writer.notes))
    for name, query in QUERIES.items():
        assert sorted(rig.rows(query)) == expected[name], name


async def test_kills_on_both_sides_leave_the_same_rows(
    tmp_path: Path, postgres_own: PostgresServer
) -> None:
    """Bot and server die in turns under load, while views are replaced: nothing is off by one."""
    with postgres_own.database() as url:
        async with FakeSlack() as slack, Rig(tmp_path, slack, RULES, publish=url) as rig:
            await _bear_kills(rig, postgres_own, url, kills=8)


@pytest.mark.soak
async def test_fifty_kills_on_both_sides(tmp_path: Path, postgres_own: PostgresServer) -> None:
    """The same, for long, by the seed of the soak."""
    with postgres_own.database() as url:
        async with FakeSlack() as slack, Rig(tmp_path, slack, RULES, publish=url) as rig:
            await _bear_kills(rig, postgres_own, url, kills=50)


@pytest.mark.parametrize("victim", ["bot", "backends", "server"])
async def test_whoever_dies_in_the_middle_of_a_transaction(
    tmp_path: Path, postgres_own: PostgresServer, victim: str
) -> None:
    """The progress was moved on already, the rows were not written: neither of it counts."""
    with postgres_own.database() as url:
        async with FakeSlack() as slack, Rig(tmp_path, slack, RULES, publish=url) as rig:
            await rig.start()
            await rig.ready()
            code, _, error = await rig.cli("sql", STATEMENTS)
            assert code == 0, error
            await rig.send(event("trigger", "svc-1", {}))
            await rig.until(lambda: equal(rig.settings, url, "TRIGGER_PER_DAY"))
            with closing(psycopg.connect(url)) as somebody:
                somebody.execute("LOCK TABLE trigger_per_day IN EXCLUSIVE MODE")
                await rig.send(event("trigger", "svc-2", {}))
                await rig.until(lambda: _waits(url))
                if victim == "bot":
                    await rig.kill()
                    await rig.start()
                    somebody.rollback()
                elif victim == "backends":
                    await asyncio.to_thread(postgres_own.kill_backends)
                    await asyncio.to_thread(postgres_own.until_ready)
                else:
                    await asyncio.to_thread(postgres_own.stop)
                    await asyncio.to_thread(postgres_own.start)
            await rig.until(lambda: equal(rig.settings, url, "TRIGGER_PER_DAY"))
            assert asked(url, "SELECT service_id, count FROM trigger_per_day ORDER BY 1") == [
                ("svc-1", 1),
                ("svc-2", 1),
            ]
            assert await rig.terminate() == 0


def _waits(url: str) -> bool:
    """Tell whether the publisher waits for a lock on rows."""
    query = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'pulsebot'"
    return asked(url, f"{query} AND wait_event_type = 'Lock'") != []


async def test_an_outage_of_postgres_holds_nothing_up(
    tmp_path: Path, postgres_own: PostgresServer
) -> None:
    """Events are counted meanwhile and the bot stays ready; probes tell of it; then all arrives."""
    with postgres_own.database() as url:
        async with FakeSlack() as slack, Rig(tmp_path, slack, RULES, publish=url) as rig:
            await rig.start()
            await rig.ready()
            code, _, error = await rig.cli("sql", STATEMENTS)
            assert code == 0, error
            await rig.send(event("trigger", "svc-1", {"count": 2}))
            await rig.until(lambda: equal(rig.settings, url, "TRIGGER_PER_DAY"))
            await asyncio.to_thread(postgres_own.stop)
            await rig.send(event("trigger", "svc-1", {}), event("trigger", "svc-2", {}))
            await rig.drained()
            assert rig.rows("SELECT sum(COUNT) FROM TRIGGER_PER_DAY") == [(4,)]
            await rig.until(lambda: "onnection" in str(_published(rig)))
            assert rig.probe()[0] == 200
            behind = 'pulsebot_publish_rows_behind{view="TRIGGER_PER_DAY"} 2.0'
            assert behind in rig.probe("metrics")[1]
            await asyncio.to_thread(postgres_own.start)
            await rig.until(lambda: equal(rig.settings, url, "TRIGGER_PER_DAY"))
            await rig.until(lambda: _published(rig) == dict.fromkeys(QUERIES, "ok"))
            assert await rig.terminate() == 0


def _published(rig: Rig) -> object:
    return json.loads(rig.probe()[1] or "{}").get("publish")
