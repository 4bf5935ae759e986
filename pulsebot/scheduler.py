"""The scheduler: what happens by the clock rather than by an event (digests, files, upkeep).

APScheduler only ticks; which local date a digest belongs to is computed with the zone's own
rules, and a claim in the same transaction as the outbox rows makes it happen once, whatever
restarts and clock changes do.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Self

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from pulsebot import daybook
from pulsebot import message as messages
from pulsebot.civil import zone_of
from pulsebot.digest import due_date, render
from pulsebot.message import Message
from pulsebot.routing.digest import Digest
from pulsebot.settings import Retention
from pulsebot.store import digests, outbox, services, upkeep, viewchanges
from pulsebot.store.database import Connection, Database
from pulsebot.store.outbox import Draft

log = structlog.get_logger(__name__)

DIGEST_CHECK_S = 5
LOOKUPS_S = 5
UPKEEP_S = 300
PRIORITY = 1
"""Digests let alerts overtake them."""


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
        now_ms: Callable[[], int],
        committed: Callable[[], None],
    ) -> None:
        self._database = database
        self._expire_views = expire_views
        self._refresh_lookups = refresh_lookups
        self._digest_rules = digest_rules
        self._retention = retention
        self._now_ms = now_ms
        self._committed = committed
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
        """Put every digest that is due, and not yet claimed, into the outbox."""
        now_ms = self._now_ms()
        now = datetime.fromtimestamp(now_ms / 1000, UTC)
        for name, rule in self._digest_rules().items():
            zone = zone_of(rule.tz)
            on = due_date(now, rule.at, zone, rule.days)
            if on is None or await self._database.read(_settled, name, on.isoformat()):
                continue
            if await self._database.write(_put, name, rule, on, now_ms):
                log.info("digest made", digest=name, date=on.isoformat())
                self._committed()

    async def upkeep(self) -> None:
        """Roll up and delete by age, piece by piece."""
        while await self._database.write(upkeep.piece, self._retention, self._now_ms()):
            continue
        while await self._database.write(self._expire_views, self._now_ms()):
            continue
        while await self._database.write(viewchanges.forget_removed):
            continue


def preview(connection: Connection, name: str, rule: Digest, on: date, now_ms: int) -> Message:
    """Return what a digest says on a local date: it tells about the day before."""
    of = daybook.day(connection, on - timedelta(days=1), zone_of(rule.tz), now_ms)
    return render(name, of, rule.include)


def _settled(connection: Connection, name: str, local_date: str) -> bool:
    """Tell whether nothing is to be made: it was, or nothing was ever heard to tell about."""
    return digests.claimed(connection, name, local_date) or not services.names(connection)


def _put(connection: Connection, name: str, rule: Digest, on: date, now_ms: int) -> bool:
    if not digests.claim(connection, name, on.isoformat(), now_ms):
        return False
    said = messages.encode(preview(connection, name, rule, on, now_ms))
    drafts = [
        Draft(f"digest-{name}-{on.isoformat()}-{receiver}", receiver, said, "digest", PRIORITY)
        for receiver in rule.to
    ]
    outbox.add(connection, drafts, now_ms)
    return True
