"""Topics come with whoever looks, and go some time after the last."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pulsebot.store.database import Connection, Database
from pulsebot.web.board import hub as hubs
from pulsebot.web.board.base import Picture, Scene
from pulsebot.web.board.changes import Changes
from pulsebot.web.board.hub import Hub
from pulsebot.web.board.roster import Roster
from pulsebot.web.board.vitals import Vitals
from tests.patience import PATIENCE_S


class Counter:
    """A page that shows how often it was drawn."""

    def __init__(self) -> None:
        self.drawn = 0

    def draw(self, connection: Connection, scene: Scene) -> Picture:
        """Count."""
        del connection, scene
        self.drawn += 1
        return Picture({"n": str(self.drawn)})


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Hub]:
    """Run a hub on an empty database."""

    def vitals() -> Vitals:
        return Vitals(0, 0, 0, 0, 0, 0, {}, {}, True, None, {}, {}, {})

    async with Database(folder / "bot.db") as database:
        hub = Hub(database, Roster(ZoneInfo("UTC")), Changes(), vitals)
        async with hub.running():
            yield hub


async def test_a_page_is_drawn_once_for_all_who_look_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many looks within the pace cost one picture, and all get the same topic."""
    monkeypatch.setattr(hubs, "PACE_S", 3600.0)
    async with running(tmp_path) as hub:
        counter = Counter()
        topics = await asyncio.gather(*(hub.look("page", counter) for _ in range(20)))
        assert {id(topic) for topic in topics} == {id(await hub.look("page", counter))}
        assert counter.drawn == 1


async def test_a_topic_under_way_is_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While its first picture is drawn the hub goes its rounds; the page can still connect."""
    monkeypatch.setattr(hubs, "PACE_S", 0.0)
    async with running(tmp_path) as hub:
        for number in range(50):
            hub.committed()
            looking = asyncio.create_task(hub.look(f"page {number}", Counter()))
            await asyncio.sleep(0)
            hub.committed()
            first = await looking
            assert await hub.look(f"page {number}", Counter()) is first


async def test_watchers_hear_of_what_was_committed(tmp_path: Path) -> None:
    """A commit makes a new picture for who watches; topics that nobody watches are left alone."""
    async with running(tmp_path) as hub:
        watched, idle = Counter(), Counter()
        topic = await hub.look("watched", watched)
        await hub.look("idle", idle)
        with topic.watching() as news:
            hub.committed()
            async with asyncio.timeout(PATIENCE_S):
                await news.wait()
            assert int(topic.cells["n"]) > 1
        assert idle.drawn == 1


async def test_topics_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who walks through all services fills no memory; a watched page stays."""
    monkeypatch.setattr(hubs, "MAX_TOPICS", 3)
    async with running(tmp_path) as hub:
        topic = await hub.look("kept", Counter())
        with topic.watching():
            for number in range(9):
                await hub.look(f"page {number}", Counter())
            assert await hub.look("kept", Counter()) is topic
            assert len(hub._topics) == 3
