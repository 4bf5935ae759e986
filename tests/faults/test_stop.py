"""Stopping in an orderly way, and starting where somebody is already at work."""

from pathlib import Path

from tests.fakes.slack import FakeSlack
from tests.faults.rig import LoadWriter, Rig
from tests.faults.verdict import check_notifications, check_views
from tests.faults.workload import RULES, Expected
from tests.faults.writer import read_notes

STOPS = 3


async def test_sigterm_under_load_ends_in_order_and_loses_nothing(tmp_path: Path) -> None:
    """Each stop exits 0 without a traceback; nothing is lost, nothing sent twice."""
    async with FakeSlack() as slack, Rig(tmp_path, slack, RULES) as rig:
        slack.fail("late", times=10**9, after=0.2)
        async with LoadWriter(rig, seed=1, rate=200) as writer:
            for _ in range(STOPS):
                before = len(slack.messages)
                await rig.start()
                await rig.until(lambda known=before: len(slack.messages) > known)  # type: ignore[misc]
                assert await rig.terminate() == 0
        await rig.start()
        await rig.drained()
        assert await rig.terminate() == 0
        assert "Traceback" not in rig.log.read_text()
        assert rig.rows("SELECT count(*) FROM outbox WHERE uncertain") == [(0,)]
        expected = Expected(read_notes(writer.notes))
        check_views(rig, expected)
        check_notifications(rig, slack, expected)
        assert len(slack.messages) == len(expected.titles)


async def test_sigterm_amid_the_start_is_a_clean_end(tmp_path: Path) -> None:
    """Whatever was open by then is closed again: exit code 0 and not a word of trouble."""
    async with FakeSlack() as slack, Rig(tmp_path, slack, RULES) as rig:
        await rig.start()
        await rig.until(rig.database.exists)
        assert await rig.terminate() == 0
        assert "Traceback" not in rig.log.read_text()


async def test_a_second_bot_is_refused_in_words(tmp_path: Path) -> None:
    """Two bots on one database would send everything twice; the second says what to do."""
    async with FakeSlack() as slack, Rig(tmp_path, slack, RULES) as rig:
        await rig.start()
        await rig.ready()
        code, _, error = await rig.cli("run")
        assert code == 2
        assert error.strip() == (
            f"{rig.database}: another pulsebot is using it;"
            " stop that one, or set another `database`"
        )
        assert rig.probe()[0] == 200
        assert await rig.terminate() == 0
