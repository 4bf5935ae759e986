"""The courier's round: takes what the app's threads left in the inbox, to disk and on its way.

It owns the spool and an event loop, adds triggers up, stores events and publishes them.

This module must not know how the app's threads hand things over, or wait for us.
"""

import asyncio
import logging
import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from crawler.inbox import Fall, Hit, Item, Tally, kind_of
from crawler.origin import Origin, moment
from crawler.publisher import Publisher
from crawler.settings import Settings, load
from crawler.spool import Spool
from crawler.spoolfolder import SpoolFolder
from pulsebot.errors import StoreError
from pulsebot.event import Event, Kind
from pulsebot.stream.base import Writer
from pulsebot.stream.forking import whole
from pulsebot.stream.open import open_writer

if TYPE_CHECKING:
    from crawler.courier import Courier, Plan

log = logging.getLogger(__name__)

COLLECT_S = 0.05
"""Calls are gathered for this long before they are stored."""
HELD_S = 0.25
"""How often to look whether a sum of triggers is due, or a full disk has room again."""


def go(courier: "Courier") -> None:
    """Serve a courier until it is closed. Raises InvalidConfig for settings it cannot use."""
    asyncio.run(_go(courier))


async def _go(courier: "Courier") -> None:
    settings, plan = _settings(courier.plan), courier.plan
    tags = {**settings.tags, **(plan.tags or {})}
    origin = Origin(plan.service, plan.instance or settings.instance, tags)
    folder = SpoolFolder(settings.spool.path, settings.spool.limits())
    spool, told = _open_spool(folder, origin)

    def writer() -> Writer:
        with whole():  # loads the stream's library
            return (plan.open_writer or open_writer)(settings.stream)

    publisher = Publisher(spool, writer, settings.stream.topics, folder=folder)
    publishing = asyncio.create_task(publisher.run())
    try:
        await _Round(courier, origin, spool, publisher).walk(told)
    finally:
        publishing.cancel()
        await asyncio.wait([publishing])
        spool.close()


def _settings(plan: "Plan") -> Settings:
    settings = load(Settings, plan.config)
    if plan.stream is not None:
        settings = settings.model_copy(update={"stream": plan.stream})
    if plan.spool is not None:
        spool = settings.spool.model_copy(update={"path": plan.spool})
        settings = settings.model_copy(update={"spool": spool})
    return settings


def _open_spool(folder: SpoolFolder, origin: Origin) -> tuple[Spool, Sequence[Event]]:
    """Return a spool, and what there is to tell of it."""
    try:
        return folder.open_own(), ()
    except StoreError as error:
        text = f"events are kept in memory only, a crash loses them: {error}"
        log.warning("%s", text)
        return Spool(None), [origin.message(moment(time.time()), text, level="warning")]


class _Round:
    def __init__(
        self, courier: "Courier", origin: Origin, spool: Spool, publisher: Publisher
    ) -> None:
        self._courier = courier
        self._origin = origin
        self._spool = spool
        self._publisher = publisher
        self._tally = Tally()
        self._unstored: list[Event] = []
        self._reported: dict[str, int] = {}
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()

    async def walk(self, first: Sequence[Event]) -> None:
        """Store and have published what comes, `first` before all, until the courier is closed."""
        self._unstored += first
        self._listen()
        while self._courier.deadline is None:
            # Before the inbox is emptied: a call after this wakes us again.
            self._wake.clear()
            self._hurry.clear()
            self._courier.attend()
            self._store(time.time())
            await _wait(self._wake, HELD_S if self._tally or self._unstored else None)
            await _wait(self._hurry, COLLECT_S)
        self._store(math.inf)
        await self._flush(self._courier.deadline)

    def _listen(self) -> None:
        call = asyncio.get_running_loop().call_soon_threadsafe

        def ring(hurry: bool) -> None:  # noqa: FBT001 - the one thing it says
            call(self._wake.set)
            if hurry:
                call(self._hurry.set)

        self._courier.listen(ring)

    async def _flush(self, deadline: float) -> None:
        lost = len(self._unstored) + len(self._courier.inbox)
        if lost:
            log.error("%d events of %s are lost: no room on disk", lost, self._origin.service)
        try:
            await asyncio.wait_for(self._publisher.flush(), max(deadline - time.monotonic(), 0))
        except TimeoutError:
            log.warning("%d events stay in the spool until the next start", self._spool.pending)

    def _store(self, now: float) -> None:
        """Move everything that is due from the inbox to the spool.

        While the spool cannot be written, calls stay in the inbox, which is bounded.
        """
        try:
            self._append()
            items = self._courier.inbox.take()
            for item in items:
                self._sort_in(item)
            self._unstored += [_event(hit, self._origin) for hit in self._tally.due(now)]
            self._append()
            self._report_refused()
        except StoreError as error:
            log.warning("will try again: %s", error)
            return
        for item in items:
            if isinstance(item, Fall):
                item.kept.set()

    def _append(self) -> None:
        if self._unstored:
            self._spool.append(self._unstored)
            self._unstored.clear()
            self._publisher.notice()

    def _sort_in(self, item: Item) -> None:
        try:
            if isinstance(item, Hit):
                if (times := int(item.times)) > 0:
                    self._tally.add(item._replace(times=times))
            else:
                self._unstored.append(_event(item, self._origin))
        except Exception:  # one unusable call (its __str__ raised) must not cost the others
            log.exception(
                "a %s of %s was unusable and is lost", kind_of(item), self._origin.service
            )

    def _report_refused(self) -> None:
        for kind, total in self._courier.inbox.refused().items():
            if new := total - self._reported.get(kind, 0):
                self._spool.refuse(self._origin.service, Kind(kind), new)
                self._reported[kind] = total
                self._publisher.notice()


def _event(item: Item, origin: Origin) -> Event:
    at = moment(item.time)
    if isinstance(item, Hit):
        return origin.trigger(
            at, name=item.name, count=item.times, duration_ms=item.duration_ms, tags=item.tags
        )
    if isinstance(item, Fall):
        stack = "".join(item.error.format())
        return origin.crash(at, stack=stack, **item.fields)  # type: ignore[arg-type]
    make = origin.status if item.kind == "status" else origin.message
    return make(at, item.subject, **item.fields)  # type: ignore[arg-type]


async def _wait(event: asyncio.Event, timeout_s: float | None) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return
