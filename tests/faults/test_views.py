"""kill -9 while views are built, replaced and kept: they equal what plain Python counts."""

import asyncio
import os
import random
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.slack import FakeSlack
from tests.faults.rig import ROOT, LoadWriter, Rig, kafka_stream
from tests.faults.viewsoracle import QUERIES, REPLACEMENTS, STATEMENTS, expected_rows
from tests.faults.writer import read_notes
from tests.kafka.broker import KafkaCluster
from tests.kafka.provision import External

RULES = """\
version: 1
routes:
  - {match: {}, to: [slack:#nobody], then: stop}
"""
"""None: this is about views."""

FIRST_RECORDS = 5_000
"""Records in the log before the first view is created, so that building takes a while."""


def _seed() -> int:
    seed = int(os.environ.get("PULSEBOT_TEST_SEED") or secrets.randbits(32))
    print(f"PULSEBOT_TEST_SEED={seed}")  # noqa: T201 - to repeat a run that failed
    return seed


async def _killed_statement(rig: Rig, statement: str, after_s: float) -> None:
    """Begin `pulsebot sql` on the stopped bot's database, and kill it after a while."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pulsebot", "sql", statement, "--config", str(rig.config)),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(after_s):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def _killed_life(rig: Rig, chance: random.Random) -> None:
    """Start the bot, which goes on with what was being built, and kill it after a while."""
    await rig.start()
    await rig.until(lambda: rig.rows("SELECT 1 FROM position") != [])
    await asyncio.sleep(chance.uniform(0.5, 3))
    await rig.kill()


async def _bear_kills(rig: Rig, kills: int) -> None:
    """Kill creators, replacers and the bot itself in turns; then let all come to rest."""
    seed = _seed()
    chance = random.Random(seed)  # noqa: S311 - to be repeatable
    async with LoadWriter(rig, seed, 1500) as writer:
        await rig.until(lambda: _noted(writer) > FIRST_RECORDS)
        await _killed_statement(rig, STATEMENTS, chance.uniform(1, 4))
        code, _, error = await rig.cli("sql", _missing(rig))
        assert code == 0, error
        for _ in range(kills):
            if chance.random() < 0.5:
                await _killed_life(rig, chance)
            else:
                await _killed_statement(rig, chance.choice(REPLACEMENTS), chance.uniform(1, 4))
    await rig.start()
    await rig.ready()
    await rig.drained()
    await rig.until(lambda: rig.rows("SELECT name FROM sql_view WHERE state = 'building'") == [])
    assert await rig.terminate() == 0
    expected = expected_rows(read_notes(writer.notes))
    for name, query in QUERIES.items():
        found = sorted(rig.rows(query))
        assert found == expected[name], name
        assert found != []


def _noted(writer: LoadWriter) -> int:
    return writer.notes.read_bytes().count(b"\n") if writer.notes.exists() else 0


def _missing(rig: Rig) -> str:
    """Return those of the statements that the one which was killed did not get to."""
    there = {name for (name,) in rig.rows("SELECT name FROM sql_view")}
    statements = [s.strip() for s in STATEMENTS.split(";") if s.strip()]
    return "; ".join([s for s in statements if s.split()[2] not in there] or ["SHOW TABLES"])


async def test_kills_while_views_are_built_leave_exact_views(tmp_path: Path) -> None:
    """Created over a full log, replaced, killed half-way again and again: nothing is off by one."""
    async with FakeSlack() as slack, Rig(tmp_path, slack, RULES) as rig:
        await _bear_kills(rig, kills=5)


@pytest.mark.soak
async def test_fifty_kills_while_views_are_built(tmp_path: Path) -> None:
    """The same, for long, by the seed of the soak."""
    async with FakeSlack() as slack, Rig(tmp_path, slack, RULES) as rig:
        await _bear_kills(rig, kills=50)


@pytest.mark.soak
async def test_kills_while_views_are_built_on_kafka(
    tmp_path: Path, kafka: KafkaCluster | External, topic_prefix: str
) -> None:
    """The same on Kafka."""
    stream = kafka_stream(kafka, topic_prefix)
    async with FakeSlack() as slack, Rig(tmp_path, slack, RULES, stream=stream) as rig:
        await rig.create_topics()
        await _bear_kills(rig, kills=15)
