"""kill -9 of the bot under load: exactly-once counts, at-least-once notifications."""

import asyncio
import os
import random
import secrets
from collections import Counter
from pathlib import Path

from pulsebot import message as messages
from tests.fakes.slack import FakeSlack, channel_id
from tests.faults.rig import LoadWriter, Rig
from tests.faults.workload import RULES, SERVICES, Expected
from tests.faults.writer import read_notes

AGAIN = "You may have received this before"
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


def _check_views(rig: Rig, expected: Expected) -> None:
    rows = rig.rows(
        "SELECT kind, service, start_ms, sum(count) FROM (SELECT * FROM count_1m UNION ALL"
        " SELECT * FROM count_15m) WHERE kind IN ('trigger', 'crash', 'message') GROUP BY 1, 2, 3"
    )
    assert {row[:3]: row[3] for row in rows} == expected.counts
    crashes = rig.rows(
        "SELECT service, error, sum(count) FROM crash_count"
        " JOIN crash_group USING (service, fingerprint) GROUP BY 1, 2"
    )
    assert {row[:2]: row[2] for row in crashes} == expected.crashes


def _check_notifications(rig: Rig, slack: FakeSlack, expected: Expected) -> None:
    """Check that each arrived, and that each repetition says so and has a gap behind it."""
    channels = {channel_id(f"#{service}"): service for service in SERVICES}
    arrived, unannounced = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for message in slack.messages:
        icon_and_title = message.shown.split("\n", 1)[0]
        about = channels[message.channel], icon_and_title.split(" ", 1)[1]
        arrived[about] += 1
        unannounced[about] += AGAIN not in message.shown
    assert set(arrived) == expected.titles
    assert {about: n for about, n in unannounced.items() if n > 1} == {}
    gaps = _gaps(rig)
    assert {about: n for about, n in arrived.items() if n > 1 + gaps[about]} == {}


async def _check_against_undisturbed(rig: Rig, slack: FakeSlack) -> None:
    """Check that the killed bot ended with the tables of one that took it all in at once."""
    stream = rig.settings.stream.model_dump(mode="json")
    async with Rig(rig.folder / "undisturbed", slack, RULES, stream=stream) as other:
        await slack.stop()  # the other one only decides; nobody needs to hear it
        await other.once()
        for table, columns in _VIEWS.items():
            query = f"SELECT {columns} FROM {table} ORDER BY {columns.replace('*', '1, 2')}"  # noqa: S608 - from the table above
            assert rig.rows(query) == other.rows(query), table


def _gaps(rig: Rig) -> Counter[tuple[str, str]]:
    rows = rig.rows("SELECT receiver, message, uncertain FROM outbox WHERE state = 'sent'")
    return Counter(
        {(to.removeprefix("slack:#"), messages.decode(said).title): n for to, said, n in rows}
    )


async def test_twenty_kills_leave_exact_counts_and_every_notification(tmp_path: Path) -> None:
    """After 20 kills, counts equal the oracle's; what came twice says so and was in a gap."""
    async with FakeSlack() as slack, Rig(tmp_path, slack, RULES) as rig:
        expected = await _bear_kills(rig, slack, kills=20, rate=300)
        assert sum(expected.counts.values()) > 5000
        _check_views(rig, expected)
        assert rig.rows("SELECT count(*) FROM dead_letter") == [(expected.dead_letters,)]
        _check_notifications(rig, slack, expected)
        assert rig.rows("SELECT count(*) FROM outbox") == [(len(expected.titles),)]
        await _check_against_undisturbed(rig, slack)
