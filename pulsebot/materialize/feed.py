"""The feed: topics of other systems, read live for the views that were made over them.

It reads beside the bot's own stream, so nothing that happens there can hold up an alert. A
topic is followed while a view reads it; rows and offsets change in one transaction. What
cannot be read as a row goes to the dead-letter table.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence

import structlog

from pulsebot.errors import InvalidEvent
from pulsebot.materialize.definitions import definitions
from pulsebot.materialize.keeper import Keeper
from pulsebot.materialize.sieve import reached, row_of
from pulsebot.settings import Settings
from pulsebot.sift import letter_of
from pulsebot.store import deadletters, feeds, viewcatalog
from pulsebot.store.database import Connection, Database
from pulsebot.store.deadletters import DeadLetter
from pulsebot.stream.base import Reader, Record
from pulsebot.stream.open import open_reader
from pulsebot.views.table import Row

log = structlog.get_logger(__name__)

BATCH = 4_000
POLL_S = 0.5
LOOK_S = 1.0
"""How soon a view over a topic that was not followed before is noticed."""

RETRY_S = 5.0

Topics = tuple[str, ...]


class Feed:
    """Follows the topics that live views read."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        *,
        now_ms: Callable[[], int],
        committed: Callable[[], None],
    ) -> None:
        self._database = database
        self._settings = settings
        self._now_ms = now_ms
        self._committed = committed
        self._edition = -1
        self._keepers: dict[int, Keeper] = {}

    async def run(self) -> None:
        """Follow until cancelled; what hinders it is logged, and it is tried again."""
        while True:
            topics = await self._database.write(self._load)
            try:
                if topics:
                    await self._follow(topics)
                else:
                    await asyncio.sleep(LOOK_S)
            except (sqlite3.OperationalError, OSError) as error:
                log.error("a topic cannot be followed, trying again", error=str(error))  # noqa: TRY400 - the cause is outside the program
                await asyncio.sleep(RETRY_S)
            except Exception:
                log.exception("a topic cannot be followed, trying again", topics=topics)
                await asyncio.sleep(RETRY_S)

    async def run_to_end(self) -> None:
        """Follow up to what the topics hold now."""
        topics = await self._database.write(self._load)
        if not topics:
            return
        async with reading(self._settings, topics) as reader:
            at = await self._database.read(feeds.load, topics)
            await reader.seek(at)
            goal = await reader.ends()
            while any(at.get(partition, 0) < end for partition, end in goal.items()):
                records = await reader.read(max_records=BATCH, timeout_s=POLL_S)
                await self._database.write(self._take, records)
                at |= reached(records)

    def _load(self, connection: Connection) -> Topics:
        """Take over what the last committed transaction left; return the topics to follow."""
        self._keepers, self._edition = {}, -1
        return self._refresh(connection)

    def _refresh(self, connection: Connection) -> Topics:
        edition = viewcatalog.edition(connection)
        if edition != self._edition:
            known = definitions(e for e in viewcatalog.entries(connection) if e.state == "live")
            earlier = {v: k for v, k in self._keepers.items() if not known.looks_up(k.plan)}
            self._keepers = {
                view: earlier.get(view) or Keeper(connection, known.entries[view], plan)
                for view, plan in known.plans.items()
                if plan.source.topic is not None
            }
            self._edition = edition
            feeds.keep_only(connection, self._topics())
        return self._topics()

    def _topics(self) -> Topics:
        topics = {keeper.plan.source.topic for keeper in self._keepers.values()}
        return tuple(sorted(topic for topic in topics if topic is not None))

    async def _follow(self, topics: Topics) -> None:
        """Read these topics until others are to be followed."""
        async with reading(self._settings, topics) as reader:
            await reader.seek(await self._database.read(feeds.load, topics))
            now = topics
            while now == topics:
                records = await reader.read(max_records=BATCH, timeout_s=POLL_S)
                now = await self._database.write(self._take, records)
                if records:
                    self._committed()

    def _take(self, connection: Connection, records: Sequence[Record]) -> Topics:
        topics = self._refresh(connection)
        now_ms = self._now_ms()
        if not records:
            self._advance(connection, now_ms)
            return topics
        revision = viewcatalog.next_revision(connection)
        letters: dict[tuple[str, int, int], DeadLetter] = {}  # each once, whatever views read it
        for keeper in self._keepers.values():
            rows: list[Row] = []
            for record in records:
                if record.topic != keeper.plan.source.topic:
                    continue
                try:
                    rows.append(row_of(keeper.plan.source, record))
                except InvalidEvent as error:
                    place = record.topic, record.partition, record.offset
                    letters[place] = letter_of(record, str(error), now_ms)
            keeper.take(connection, rows, revision)
        deadletters.add(connection, list(letters.values()))
        feeds.save(connection, reached(records))
        return topics

    def _advance(self, connection: Connection, now_ms: int) -> None:
        """Let time pass: all was read that there is. Changes nothing where no window ends."""
        if due := [k for k in self._keepers.values() if k.due(connection, now_ms)]:
            revision = viewcatalog.next_revision(connection)
            for keeper in due:
                keeper.close(connection, now_ms, revision)


def reading(settings: Settings, topics: Topics) -> Reader:
    """Return a reader of exactly these topics."""
    only = settings.stream.topics.model_copy(update={"read": list(topics), "pattern": None})
    return open_reader(settings.stream.model_copy(update={"topics": only}))
