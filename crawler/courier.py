"""The courier: the one thread inside an app that does everything slow for the SDK.

It owns the spool and an event loop; it takes what the app's threads left in the inbox, adds
triggers up, stores events and publishes them. Nothing here may raise into the app.

This module must not know the SDK's public face.
"""

import asyncio
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from crawler.inbox import HURRY_AT, Fall, Hit, Inbox, Item, Tally, kind_of
from crawler.origin import Origin, moment
from crawler.publisher import Publisher
from crawler.settings import Settings, load
from crawler.spool import Spool
from crawler.spoolfolder import SpoolFolder
from pulsebot.errors import StoreError
from pulsebot.event import Event, Kind
from pulsebot.stream.base import Writer
from pulsebot.stream.config import StreamSettings

log = logging.getLogger(__name__)

COLLECT_S = 0.05
"""Calls are gathered for this long before they are stored."""
HELD_S = 0.25
"""How often to look whether a sum of triggers is due, or a full disk has room again."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the app asked for; None: as the settings say."""

    service: str
    instance: str | None = None
    tags: Mapping[str, object] | None = None
    stream: StreamSettings | None = None
    spool: Path | None = None
    config: Path | None = None


class Courier(threading.Thread):
    """Runs until `close`; a daemon, so that a stuck stream never keeps an app from ending."""

    def __init__(self, inbox: Inbox, plan: Plan, open_writer: Callable[..., Writer]) -> None:
        super().__init__(name="pulse-courier", daemon=True)
        self._inbox = inbox
        self._plan = plan
        self._open_writer = open_writer
        self._tally = Tally()
        self._unstored: list[Event] = []
        self._reported: dict[str, int] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._noticed = False
        self._hurried = False
        self._deadline: float | None = None

    def notice(self, *, urgent: bool = False) -> None:
        """Say that the inbox has something; cheap when said often, from any thread."""
        if not self._noticed:
            self._noticed = True
            self._call(self._wake)
        if not self._hurried and (urgent or len(self._inbox) > HURRY_AT):
            self._hurried = True
            self._call(self._hurry)

    def close(self, within_s: float) -> None:
        """Store what there is, publish what can be published within the time, and end."""
        self._deadline = time.monotonic() + within_s
        self._call(self._wake)
        self._call(self._hurry)
        self.join(within_s + 0.5)

    def run(self) -> None:
        """Body of the thread."""
        try:
            asyncio.run(self._main())
        except Exception:  # the app must go on whatever befalls us
            log.exception("pulse is off: events of %s are lost", self._plan.service)

    def _call(self, event: asyncio.Event) -> None:
        if self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(event.set)
            except RuntimeError:  # the loop is closed: the thread has ended
                log.debug("the courier has ended")

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        settings = self._settings()
        plan = self._plan
        tags = {**settings.tags, **(plan.tags or {})}
        origin = Origin(plan.service, plan.instance or settings.instance, tags)
        folder = SpoolFolder(settings.spool.path, settings.spool.limits())
        spool = self._open_spool(folder, origin)
        publisher = Publisher(
            spool,
            lambda: self._open_writer(settings.stream),
            settings.stream.topics,
            folder=folder,
        )
        publishing = asyncio.create_task(publisher.run())
        try:
            await self._collect(spool, publisher, origin)
        finally:
            publishing.cancel()
            await asyncio.wait([publishing])
            spool.close()

    def _settings(self) -> Settings:
        plan = self._plan
        settings = load(Settings, plan.config)
        if plan.stream is not None:
            settings = settings.model_copy(update={"stream": plan.stream})
        if plan.spool is not None:
            spool = settings.spool.model_copy(update={"path": plan.spool})
            settings = settings.model_copy(update={"spool": spool})
        return settings

    def _open_spool(self, folder: SpoolFolder, origin: Origin) -> Spool:
        try:
            return folder.open_own()
        except StoreError as error:
            text = f"events are kept in memory only, a crash loses them: {error}"
            log.warning("%s", text)
            self._unstored.append(origin.message(moment(time.time()), text, level="warning"))
            return Spool(None)

    async def _collect(self, spool: Spool, publisher: Publisher, origin: Origin) -> None:
        while self._deadline is None:
            # Cleared before the inbox is emptied: a call after this wakes us again.
            self._wake.clear()
            self._hurry.clear()
            self._noticed = self._hurried = False
            self._store(spool, publisher, origin, time.time())
            await _wait(self._wake, HELD_S if self._tally or self._unstored else None)
            await _wait(self._hurry, COLLECT_S)
        self._store(spool, publisher, origin, math.inf)
        left = max(self._deadline - time.monotonic(), 0)
        try:
            await asyncio.wait_for(publisher.flush(), left)
        except TimeoutError:
            log.warning("%d events stay in the spool until the next start", spool.pending)

    def _store(self, spool: Spool, publisher: Publisher, origin: Origin, now: float) -> None:
        """Move everything that is due from the inbox to the spool.

        While the spool cannot be written, calls stay in the inbox, which is bounded.
        """
        try:
            self._append(spool, publisher)
            items = self._inbox.take()
            for item in items:
                self._sort_in(item, origin)
            self._unstored += [_event(hit, origin) for hit in self._tally.due(now)]
            self._append(spool, publisher)
            self._report_refused(spool, publisher, origin)
        except StoreError as error:
            log.warning("will try again: %s", error)
            return
        for item in items:
            if isinstance(item, Fall):
                item.kept.set()

    def _append(self, spool: Spool, publisher: Publisher) -> None:
        if self._unstored:
            spool.append(self._unstored)
            self._unstored.clear()
            publisher.notice()

    def _sort_in(self, item: Item, origin: Origin) -> None:
        try:
            if isinstance(item, Hit):
                self._tally.add(item._replace(times=max(int(item.times), 1)))
            else:
                self._unstored.append(_event(item, origin))
        except Exception:  # one unusable call (its __str__ raised) must not cost the others
            log.exception("a %s of %s was unusable and is lost", kind_of(item), origin.service)

    def _report_refused(self, spool: Spool, publisher: Publisher, origin: Origin) -> None:
        for kind, total in self._inbox.refused().items():
            if new := total - self._reported.get(kind, 0):
                spool.refuse(origin.service, Kind(kind), new)
                self._reported[kind] = total
                publisher.notice()


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
