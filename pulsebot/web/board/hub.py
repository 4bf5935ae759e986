"""The hub: draws what is looked at, once a second for all who look, after something changed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import structlog

from pulsebot.store.database import Connection, Database
from pulsebot.web.board.base import Picture, Scene, Subject
from pulsebot.web.board.changes import Changes
from pulsebot.web.board.roster import Roster
from pulsebot.web.board.topic import Topic
from pulsebot.web.board.vitals import Rates, Vitals

log = structlog.get_logger(__name__)

PACE_S = 1.0
"""Pages are told of changes at most this often."""

IDLE_S = 5.0
"""So often pages are drawn although nothing was committed: time passes, streams break."""

KEPT_S = 120.0
"""A topic that nobody watches is kept so long, for the page that is about to connect."""

MAX_TOPICS = 200
"""Topics at once; beyond, the one not looked at for longest goes, watched ones never."""


class Hub:
    """Topics by their address; `committed` is called after each transaction."""

    def __init__(
        self, database: Database, roster: Roster, changes: Changes, vitals: Callable[[], Vitals]
    ) -> None:
        self.closed = asyncio.Event()
        self._database = database
        self._roster = roster
        self._changes = changes
        self._vitals = vitals
        self._rates = Rates()
        self._topics: dict[str, tuple[Topic, Subject]] = {}
        self._due = asyncio.Event()
        self._drawing = asyncio.Lock()

    def committed(self) -> None:
        """Note that the store may have changed."""
        self._changes.commit()
        self._due.set()

    @property
    def watched(self) -> int:
        """Return how many pages are connected."""
        return sum(topic.watched for topic, _ in self._topics.values())

    async def look(self, address: str, subject: Subject) -> Topic:
        """Return the topic of an address, drawn within the last moments."""
        topic, subject = self._topics.setdefault(address, (Topic(), subject))
        topic.looked_at = asyncio.get_running_loop().time()
        async with self._drawing:  # whoever waited here finds it drawn
            if asyncio.get_running_loop().time() - topic.drawn_at >= PACE_S:
                await self._draw([(topic, subject)])
        self._limit()
        return topic

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Draw for those who watch while entered; at the end their connections are closed."""
        task = asyncio.create_task(self._run(), name="board")
        try:
            yield
        finally:
            self.closed.set()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        while True:
            # Not wait_for: Python 3.11's can lose a cancellation that meets a wake.
            with suppress(TimeoutError):
                async with asyncio.timeout(IDLE_S):
                    await self._due.wait()
            self._due.clear()
            self._rates.note(self._vitals())
            self._forget()
            if watched := [pair for pair in self._topics.values() if pair[0].watched]:
                await self._draw_safely(watched)
            await asyncio.sleep(PACE_S)

    async def _draw_safely(self, watched: list[tuple[Topic, Subject]]) -> None:
        try:
            async with self._drawing:
                await self._draw(watched)
        except Exception:
            log.exception("the board could not be drawn; trying again")

    async def _draw(self, pairs: list[tuple[Topic, Subject]]) -> None:
        """Draw these now; the caller holds the lock."""
        vitals = self._vitals()
        pictures = await self._database.read(self._pictures, [s for _, s in pairs], vitals)
        now = asyncio.get_running_loop().time()
        for (topic, _), picture in zip(pairs, pictures, strict=True):
            topic.drawn_at, topic.at_ms = now, vitals.at_ms
            if picture is not None:
                topic.show(picture)

    def _pictures(
        self, connection: Connection, subjects: list[Subject], vitals: Vitals
    ) -> list[Picture | None]:
        with self._changes.taken() as touched:
            self._roster.refresh(connection, vitals.at_ms, touched)
        scene = Scene(vitals.at_ms, self._roster, vitals, self._rates)
        return [subject.draw(connection, scene) for subject in subjects]

    def _forget(self) -> None:
        now = asyncio.get_running_loop().time()
        for address, (topic, _) in list(self._topics.items()):
            if not topic.watched and now - topic.looked_at > KEPT_S:
                del self._topics[address]

    def _limit(self) -> None:
        idle = [(t.looked_at, a) for a, (t, _) in self._topics.items() if not t.watched]
        for _, address in sorted(idle)[: max(0, len(self._topics) - MAX_TOPICS)]:
            del self._topics[address]
