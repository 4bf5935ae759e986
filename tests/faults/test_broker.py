"""A broker that dies under the bot and comes back."""

import asyncio
from pathlib import Path

from tests.fakes.slack import FakeSlack
from tests.faults.rig import LoadWriter, Rig, kafka_stream
from tests.faults.verdict import check_notifications, check_views
from tests.faults.workload import RULES, Expected
from tests.faults.writer import read_notes
from tests.kafka.broker import KafkaCluster


async def test_a_broker_killed_and_restarted_loses_nothing(
    tmp_path: Path, kafka_own: KafkaCluster, topic_prefix: str
) -> None:
    """The bot goes on by itself; everything that was acknowledged is counted and told."""
    stream = kafka_stream(kafka_own, topic_prefix)
    async with FakeSlack() as slack, Rig(tmp_path, slack, RULES, stream=stream) as rig:
        await rig.create_topics()
        await rig.start()
        async with LoadWriter(rig, seed=2) as writer:
            await _goes_on(rig)
            await asyncio.to_thread(kafka_own.kill, 1)
            assert rig.probe("livez") == (200, "ok")
            await asyncio.to_thread(kafka_own.restart, 1)
            await _goes_on(rig)
            await rig.ready()
        await rig.drained()
        assert await rig.terminate() == 0
        expected = Expected(read_notes(writer.notes))
        check_views(rig, expected)
        check_notifications(rig, slack, expected)
        assert rig.rows("SELECT * FROM gap") == []


async def _goes_on(rig: Rig) -> None:
    """Wait until more is consumed than is by now."""
    before = sum(rig.positions().values())
    await rig.until(lambda: sum(rig.positions().values()) > before)
