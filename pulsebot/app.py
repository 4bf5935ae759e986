"""The app: the only place where the parts are put together, and taken apart again.

Entered in the order database → chats → delivery → stream, so that intake closes first and
what it decided can still be sent. One task group holds everything that runs.
"""

import asyncio
import contextlib
import gc
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from pulsebot.bot import Bot
from pulsebot.chat.base import Chat
from pulsebot.chat.table import Surroundings, open_chats
from pulsebot.civil import zone_of
from pulsebot.commands.table import COMMANDS
from pulsebot.control.server import serving as listening
from pulsebot.decide import Decider
from pulsebot.delivery import Delivery
from pulsebot.errors import StoreError
from pulsebot.intake import Intake
from pulsebot.materialize.builder import Around
from pulsebot.materialize.declaring import declare
from pulsebot.materialize.desk import Desk
from pulsebot.materialize.feed import Feed
from pulsebot.materialize.lookout import Lookout
from pulsebot.materialize.lookups import LookupFiles
from pulsebot.materialize.news import News
from pulsebot.materialize.published import Published
from pulsebot.pipeline import Pipeline
from pulsebot.ruleset import Ruleset
from pulsebot.scheduler import Scheduler, Times
from pulsebot.settings import Settings, Web
from pulsebot.sift import preparing
from pulsebot.store import services, viewchanges, viewtables
from pulsebot.store.database import Database, connect
from pulsebot.stream.base import Reader
from pulsebot.stream.open import open_reader_apart
from pulsebot.terminal.signals import heeded
from pulsebot.viewfile import Declared
from pulsebot.web import queryforms
from pulsebot.web.api.serving import Api
from pulsebot.web.auth import guarded
from pulsebot.web.board.changes import Changes
from pulsebot.web.board.hub import Hub
from pulsebot.web.board.pages import Pages
from pulsebot.web.board.roster import Roster
from pulsebot.web.board.vitals import taken
from pulsebot.web.query import Queries
from pulsebot.web.server import Probes, serving

log = structlog.get_logger(__name__)

if TYPE_CHECKING:
    from pulsebot.publish.publisher import Publisher

DRAIN_S = 4.0
"""Time that the outbox gets after intake has stopped; the rest is sent after the next start."""

LAST_SEND_S = 3.0
"""Time that sends under way get after that; one that is cut off is uncertain afterwards."""


def now_ms() -> int:
    """Return the wall clock in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


@dataclass(slots=True)
class App:
    """The running parts. `stop` is set to end them all."""

    settings: Settings
    database: Database
    chats: Sequence[Chat]
    delivery: Delivery
    reader: Reader
    pipeline: Pipeline
    scheduler: Scheduler
    desk: Desk
    feed: Feed
    lookups: LookupFiles
    stop: asyncio.Event
    declared: Sequence[Declared] = ()
    publisher: "Publisher | None" = None
    address: str | None = None


@dataclass(slots=True)
class _Commits:
    """Who is woken after a transaction; they are added as they are made."""

    listeners: list[Callable[[], None]]

    def __call__(self) -> None:
        for listener in self.listeners:
            listener()


@dataclass(frozen=True, slots=True)
class _Core:
    """What takes events in and keeps views; it knows neither chats nor pages."""

    reader: Reader
    intake: Intake
    pipeline: Pipeline
    desk: Desk
    feed: Feed
    news: News
    changes: Changes
    committed: _Commits
    """Rung by the pipeline after each batch and tick."""
    wake: _Commits
    """Rung by whoever else may have put something into the outbox or a view."""


@contextlib.asynccontextmanager
async def opened(settings: Settings, ruleset: Ruleset) -> AsyncIterator[App]:
    """Make every part and enter all but the stream; nothing runs until `run` or `run_once`.

    The web server answers from here on, so that probes work while the stream is out of reach.
    """
    stop = asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database(settings.database))
        await _forget_followers(database, settings)
        core, lookups = _core(settings, ruleset, database), LookupFiles(database)
        chats = await _chats(settings, database, core, stop, stack)
        delivery = Delivery(database, {c.name: c for c in chats}, settings.delivery, now_ms)
        core.wake.listeners.append(delivery.wake)
        stack.push_async_callback(core.desk.builder.close)
        await stack.enter_async_context(listening(settings.database, core.desk))
        app = App(
            settings,
            database,
            chats,
            delivery,
            core.reader,
            core.pipeline,
            _scheduler(settings, database, core, lookups),
            core.desk,
            core.feed,
            lookups,
            stop,
            declared=ruleset.views,
            publisher=await _publisher(database, settings, core.news),
        )
        if settings.web is not None:
            app.address = await _serve(app, core, settings.web, stack)
        await _begin(app)
        yield app


async def _forget_followers(database: Database, settings: Settings) -> None:
    """Clear away what those needed who followed views while the last process ran.

    The publisher comes back; it goes on while what went since is remembered. The first thing
    that is written, so it shows whether anything can be: raises StoreError.
    """
    try:
        while await database.write(viewchanges.forget_removed):
            continue
        if settings.publish is None:
            await database.write(viewtables.forget_revisions)
    except sqlite3.OperationalError as error:
        raise StoreError(
            f"{database.path}: cannot be written: {error}; see to its disk, then start again"
        ) from error


def _core(settings: Settings, ruleset: Ruleset, database: Database) -> _Core:
    news, changes = News(), Changes()
    wake = _Commits([news.ring])
    committed = _Commits([wake])
    reader = open_reader_apart(settings.stream, preparing(settings.clock))
    decider = Decider(ruleset, zone_of(settings.timezone))
    intake = Intake(decider, settings.clock, counted=changes.note)
    pipeline = Pipeline(database, reader, intake, now_ms=now_ms, committed=committed)
    committed.listeners.append(intake.tails.release)
    lookout = Lookout(database, news, intake.tails)
    desk = Desk(Around(database, settings, now_ms), lookout)
    feed = Feed(database, settings, now_ms=now_ms, committed=wake)
    return _Core(reader, intake, pipeline, desk, feed, news, changes, committed, wake)


async def _chats(
    settings: Settings,
    database: Database,
    core: _Core,
    stop: asyncio.Event,
    stack: contextlib.AsyncExitStack,
) -> Sequence[Chat]:
    """Enter the chats, with the bot that answers them all."""
    bot = Bot(
        database,
        settings,
        now_ms=now_ms,
        behind=core.pipeline.lag,
        carry_out=core.desk.execute,
    )
    around = Surroundings(
        bot.answer,
        {command.name: command.help for command in COMMANDS.values()},
        services=_completing(settings.database, stack),
        on_exit=stop.set,
    )
    chats = open_chats(settings, around)
    for chat in chats:
        await stack.enter_async_context(chat)
    return chats


def _scheduler(
    settings: Settings, database: Database, core: _Core, lookups: LookupFiles
) -> Scheduler:
    return Scheduler(
        database,
        lambda: core.intake.decider.ruleset.digests,
        settings.retention,
        expire_views=core.intake.views.expire,
        refresh_lookups=lookups.refresh,
        times=Times(now_ms, lambda: core.pipeline.read_until_ms),
        committed=core.wake,
    )


async def _serve(app: App, core: _Core, web: Web, stack: contextlib.AsyncExitStack) -> str:
    """Serve probes and chats to everybody, board and API behind the guard; return the address."""
    database, pipeline, delivery = app.database, app.pipeline, app.delivery
    roster = Roster(zone_of(app.settings.timezone))
    hub = Hub(database, roster, core.changes, lambda: taken(pipeline, delivery, now_ms))
    core.committed.listeners.append(hub.committed)
    probes = Probes(
        database, pipeline, delivery, app.chats, app.publisher, settings=web, now_ms=now_ms
    )
    queries = Queries(app.desk, hub.closed)
    api = Api(database, app.settings, queryforms.part(), now_ms=now_ms, behind=pipeline.lag)
    pages = Pages(hub, roster, app.desk.builder.progress_of)
    guarded_routes = guarded([*queries.routes(), *api.routes(), *pages.routes()], web, time.time)
    of_chats = [route for chat in app.chats for route in chat.http_routes()]
    routes = [*probes.routes(), *of_chats, *guarded_routes]
    address = await stack.enter_async_context(serving(web, routes))
    await stack.enter_async_context(hub.running())
    return address


async def run(app: App) -> None:
    """Consume, decide, send and answer until `app.stop` is set; then drain."""
    _stop_on_signals(app.stop)
    if app.address is not None:
        log.info("pages are served", address=app.address)
    async with asyncio.TaskGroup() as group:
        sending = group.create_task(app.delivery.run(), name="delivery")
        consuming = group.create_task(_consume(app), name="pipeline")
        feeding = group.create_task(app.feed.run(), name="feed")
        publishing = group.create_task(_publish(app), name="publisher")
        async with app.scheduler:
            await app.stop.wait()
        log.info("stopping")
        publishing.cancel()
        await _end(consuming)
        await _end(feeding)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await app.delivery.idle()
        app.delivery.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_SEND_S):
                await sending
        await _end(publishing)  # again: psycopg would wait 10 s for a server that is frozen


async def run_once(app: App) -> None:
    """Consume to the present end of the log, make what digests are due, send what is due."""
    async with app.reader:
        await app.pipeline.start()
        await _build_views(app)
        await app.pipeline.run_to_end()
        await app.feed.run_to_end()
        await app.desk.builder.built()
    if app.publisher is not None:
        await app.publisher.run_to_end()
    await app.scheduler.digests()
    async with asyncio.TaskGroup() as group:
        group.create_task(app.delivery.run(), name="delivery")
        await app.delivery.idle()
        app.delivery.stop()


async def _publisher(database: Database, settings: Settings, news: News) -> "Publisher | None":
    """Return what keeps views in another database, where that is asked for."""
    if settings.publish is None:
        return None
    from pulsebot.publish.publisher import Publisher  # noqa: PLC0415 - 8 MB that few need

    names = None if settings.publish.views == "all" else settings.publish.views
    published = Published(database, names)
    await published.begin()
    return Publisher(published, settings.publish.url.get_secret_value(), news.next)


async def _publish(app: App) -> None:
    if app.publisher is not None:
        await app.publisher.run()


async def _consume(app: App) -> None:
    """Open the stream, however long that takes, and consume it."""
    async with app.reader:
        await app.pipeline.start()
        await _build_views(app)
        # What was loaded stays: the collector need not look at it with every batch.
        gc.collect()
        gc.freeze()
        await app.pipeline.run()


async def _build_views(app: App) -> None:
    """Make what the view files declare, and go on with what was being built."""
    await app.lookups.refresh()
    await declare(app.desk, app.database, app.declared, app.settings.timezone)
    await app.desk.builder.resume()


def _completing(path: Path, stack: contextlib.AsyncExitStack) -> Callable[[], list[str]]:
    """Return what names the services while somebody types: a quick read, on its own connection."""
    connection = connect(path, read_only=True)
    stack.callback(connection.close)
    return lambda: services.names(connection)


async def _begin(app: App) -> None:
    """Note what a process that died left in the middle of being sent."""
    if uncertain := await app.delivery.recover():
        log.warning("the last run ended while sending", uncertain=uncertain)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in heeded():
        loop.add_signal_handler(number, stop.set)
