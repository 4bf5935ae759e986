"""kill -9 of the bot under load: exactly-once counts, at-least-once notifications."""

import asyncio
import os
import random
import secrets
from pathlib import Path

import pytest

from tests.fakes.slack import FakeSlack
from tests.faults.rig import LoadWriter, Rig, kafka_stream
from tests.faults.verdict import check_notifications, check_views
from tests.faults.workload import RULES, Expected
from tests.faults.writer import read_notes
from tests.kafka.broker import KafkaCluster
from tests.kafka.provision import External

ANSWER_S = 0.15
"""How long the fake Slack takes to answer after it accepted: the gap that kills can hit."""


_VIEWS = {
    "position": "*",
    "count_1m": "*",
    "count_15m": "*",
    "crash_group": "*",
    "crash_count": "*",
    "instance": "*",
    "status_change": "*",
    "app_message": "service, instance, at_ms, level, title, text",
    "mark_range": "producer, ranges",
    "mark_id": "hash",
    "condition_state": "*",
    "alert": "*",
    "alert_spell": "*",
    "decision": "at_ms, outcome, reason, service, rule, key, alert_id, event_id, receivers",
    "outbox": "id, receiver, message",
    "dead_letter": "topic, partition, offset, reason, value",
}
"""What a bot that was killed has in common with one that never was: all but the wall clock."""


def _seed() -> int:
    seed = int(os.environ.get("PULSEBOT_TEST_SEED") or secrets.randbits(32))
    print(f"PULSEBOT_TEST_SEED={seed}")  # noqa: T201 - to repeat a run that failed
    return seed


async def _kill_often(rig: Rig, chance: random.Random, kills: int) -> None:
    """Start and kill the bot; each life does some work first, but for a few that end early."""
    for number in range(kills):
        before = rig.positions()
        await rig.start()
        if number % 7 == 6:  # somewhere in the start
            await asyncio.sleep(chance.uniform(0, 1.2))
        else:
            await rig.until(lambda known=before: rig.positions() != known)  # type: ignore[misc]
            await asyncio.sleep(chance.uniform(0, 0.6))
        await rig.kill()


async def _bear_kills(rig: Rig, slack: FakeSlack, *, kills: int, rate: float) -> Expected:
    seed = _seed()
    slack.fail("late", times=10**9, after=ANSWER_S)
    async with LoadWriter(rig, seed, rate) as writer:
        await _kill_often(rig, random.Random(seed), kills)  # noqa: S311 - to be repeatable
    await rig.start()
    await rig.drained()
    assert await rig.terminate() == 0
    return Expected(read_notes(writer.notes))


def _check(rig: Rig, slack: FakeSlack, expected: Expected) -> None:
    print(f"{len(slack.messages)} messages for {len(expected.titles)} notifications")  # noqa: T201 - the figure
    check_views(rig, expected)
    check_notifications(rig, slack, expected)
    letters = rig.rows("SELECT count(*) FROM dead_letter")
    assert letters == [(expected.dead_letters,)]
    assert rig.rows("SELECT count(*) FROM outbox") == [(len(expected.titles),)]


async def _check_against_undisturbed(rig: Rig, slack: FakeSlack) -> None:
    """Check that the killed bot ended with the tables of one that took it all in at once."""
    stream = rig.settings.stream.model_dump(mode="json")
    async with Rig(rig.folder / "undisturbed", slack, RULES, stream=stream) as other:
        await slack.stop()  # the other one only decides; nobody needs to hear it
        await other.once()
        for table, columns in _VIEWS.items():
            query = f"SELECT {columns} FROM {table} ORDER BY {columns.replace('*', '1, 2')}"  # noqa: S608 - from the table above
            assert rig.rows(query) == other.rows(query), table


async def test_twenty_kills_leave_exact_counts_and_every_notification(tmp_path: Path) -> None:
    """After 20 kills, counts equal the oracle's; what came twice says so and was in a gap."""
    async with FakeSlack() as slack, Rig(tmp_path, slack, RULES) as rig:
        expected = await _bear_kills(rig, slack, kills=20, rate=300)
        _check(rig, slack, expected)
        assert sum(expected.counts.values()) > 5000
        await _check_against_undisturbed(rig, slack)


async def test_kills_on_kafka_leave_exact_counts_and_every_notification(
    tmp_path: Path, kafka: KafkaCluster | External, topic_prefix: str
) -> None:
    """The same holds on Kafka: the offsets that count are those beside the counts."""
    stream = kafka_stream(kafka, topic_prefix)
    async with FakeSlack() as slack, Rig(tmp_path, slack, RULES, stream=stream) as rig:
        await rig.create_topics()
        expected = await _bear_kills(rig, slack, kills=5, rate=300)
        _check(rig, slack, expected)


@pytest.mark.soak
async def test_two_hundred_kills(tmp_path: Path) -> None:
    """The same, for long, by the seed of the soak."""
    async with FakeSlack() as slack, Rig(tmp_path, slack, RULES) as rig:
        expected = await _bear_kills(rig, slack, kills=200, rate=300)
        _check(rig, slack, expected)
        await _check_against_undisturbed(rig, slack)


@pytest.mark.soak
async def test_fifty_kills_on_kafka(
    tmp_path: Path, kafka: KafkaCluster | External, topic_prefix: str
) -> None:
    """The same on Kafka."""
    stream = kafka_stream(kafka, topic_prefix)
    async with FakeSlack() as slack, Rig(tmp_path, slack, RULES, stream=stream) as rig:
        await rig.create_topics()
        expected = await _bear_kills(rig, slack, kills=50, rate=300)
        _check(rig, slack, expected)
