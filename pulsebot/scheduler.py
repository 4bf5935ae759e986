"""The scheduler: what happens by the clock rather than by an event (digests, files, upkeep).

APScheduler only ticks; which local date a digest belongs to is computed with the zone's own
rules, and a claim in the same transaction as the outbox rows makes it happen once, whatever
restarts and clock changes do.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Self

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from msgspec.structs import replace

from pulsebot import daybook
from pulsebot import message as messages
from pulsebot.civil import local_midnight, zone_of
from pulsebot.digest import Due, due, render
from pulsebot.message import Message, Note
from pulsebot.phrases import instant
from pulsebot.routing.digest import Digest
from pulsebot.settings import Retention
from pulsebot.store import digests, outbox, services, upkeep, viewchanges
from pulsebot.store.database import Connection, Database
from pulsebot.store.outbox import Draft

log = structlog.get_logger(__name__)

DIGEST_CHECK_S = 5
LOOKUPS_S = 5
UPKEEP_S = 300
PATIENCE_MS = 600_000
"""How long a digest waits for what it is to tell of to be counted; then it says what it lacks."""
PRIORITY = 1
"""Digests let alerts overtake them."""


@dataclass(frozen=True, slots=True)
class Times:
    """The wall clock, and up to when the stream has been read (0: not known yet)."""

    now_ms: Callable[[], int]
    read_until_ms: Callable[[], int]


class Scheduler:
    """Runs digests and upkeep, and looks after lookup files, while it is entered."""

    def __init__(
        self,
        database: Database,
        digest_rules: Callable[[], Mapping[str, Digest]],
        retention: Retention,
        *,
        expire_views: Callable[[Connection, int], bool],
        refresh_lookups: Callable[[], Awaitable[None]],
        times: Times,
        committed: Callable[[], None],
    ) -> None:
        self._database = database
        self._expire_views = expire_views
        self._refresh_lookups = refresh_lookups
        self._digest_rules = digest_rules
        self._retention = retention
        self._times = times
        self._committed = committed
        self._waiting: dict[tuple[str, date], int] = {}
        self._ticker = AsyncIOScheduler(
            timezone=UTC,
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )

    async def __aenter__(self) -> Self:
        now = datetime.now(UTC)  # APScheduler's own clock: when to tick first
        self._ticker.add_job(self.digests, "interval", seconds=DIGEST_CHECK_S, next_run_time=now)
        self._ticker.add_job(self._refresh_lookups, "interval", seconds=LOOKUPS_S)
        self._ticker.add_job(self.upkeep, "interval", seconds=UPKEEP_S, next_run_time=now)
        self._ticker.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._ticker.shutdown(wait=False)

    async def digests(self) -> None:
        """Put every digest that is due, and not yet claimed, into the outbox.

        One whose day is not counted yet, because the bot was down or the stream is away, waits
        for that within reason.
        """
        now_ms = self._times.now_ms()
        for name, rule in self._digest_rules().items():
            ready = due(now_ms, rule.at, zone_of(rule.tz), rule.days)
            if ready is None or await self._database.read(_settled, name, rule, ready.date):
                continue
            if self._must_wait(name, ready, now_ms):
                continue
            made = Making(name, rule, ready.date, now_ms)
            if await self._database.write(_put, made, self._lacking(rule, ready)):
                log.info("digest made", digest=name, date=ready.date.isoformat())
                self._committed()

    def _must_wait(self, name: str, ready: Due, now_ms: int) -> bool:
        if self._times.read_until_ms() >= ready.since_ms:
            return False
        return now_ms - self._waiting.setdefault((name, ready.date), now_ms) < PATIENCE_MS

    def _lacking(self, rule: Digest, ready: Due) -> tuple[Note, ...]:
        """Return a note where what the digest tells of may not have been counted yet."""
        read_ms = self._times.read_until_ms()
        if read_ms >= ready.since_ms:
            return ()
        until = f" beyond {instant(read_ms, zone_of(rule.tz))}" if read_ms else ""
        return (Note(f"Not complete: I could not read the stream{until} yet."),)

    async def upkeep(self) -> None:
        """Roll up and delete by age, piece by piece."""
        while await self._database.write(upkeep.piece, self._retention, self._times.now_ms()):
            continue
        while await self._database.write(self._expire_views, self._times.now_ms()):
            continue
        while await self._database.write(viewchanges.forget_removed):
            continue


@dataclass(frozen=True, slots=True)
class Making:
    """A digest by its name in the rule files, for a local date, as seen at `now_ms`."""

    name: str
    rule: Digest
    date: date
    now_ms: int


def preview(connection: Connection, making: Making) -> Message:
    """Return what a digest says on a local date: it tells about the day before."""
    zone = zone_of(making.rule.tz)
    of = daybook.day(connection, making.date - timedelta(days=1), zone, making.now_ms)
    return render(making.name, of, making.rule.include)


def _settled(connection: Connection, name: str, rule: Digest, on: date) -> bool:
    """Tell whether nothing is to be made: it was, or nothing was heard yet on the day it tells of.

    A new bot does not say of a day on which it was not there that nothing happened.
    """
    first_ms = services.first_ms(connection)
    if first_ms is None or first_ms >= local_midnight(on, zone_of(rule.tz)):
        return True
    return digests.claimed(connection, name, on.isoformat())


def _put(connection: Connection, making: Making, lacking: tuple[Note, ...]) -> bool:
    local_date = making.date.isoformat()
    if not digests.claim(connection, making.name, local_date, making.now_ms):
        return False
    said = preview(connection, making)
    said = replace(said, parts=(*said.parts, *lacking))
    drafts = [
        Draft(
            f"digest-{making.name}-{local_date}-{receiver}",
            receiver,
            messages.encode(said),
            "digest",
            PRIORITY,
        )
        for receiver in making.rule.to
    ]
    outbox.add(connection, drafts, making.now_ms)
    return True
