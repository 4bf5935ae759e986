"""An installation on the embedded log, with a bot that runs in this process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pulsebot import app
from pulsebot.app import App
from pulsebot.event import Event, encode
from pulsebot.materialize.builder import plan_of
from pulsebot.materialize.keeper import shape_of
from pulsebot.ruleset import Ruleset
from pulsebot.settings import Settings, Web
from pulsebot.store import viewcatalog, viewchanges, viewtables
from pulsebot.store.database import Connection
from pulsebot.store.viewtables import RowAt
from pulsebot.stream.base import Outgoing
from pulsebot.stream.config import LocalStream, Topics
from pulsebot.stream.open import open_writer
from tests.fakes.world import NO_RULES
from tests.patience import PATIENCE_S

PER_DAY = """CREATE TABLE PER_DAY AS
SELECT SERVICE_ID, COUNT(*) FROM SERVICE_TRIGGER
WINDOW TUMBLING (SIZE 1 DAY)
GROUP BY SERVICE_ID
"""


def site(folder: Path, web: Web | None = None) -> Settings:
    """Return the settings of an installation in a folder, without a web server unless asked."""
    kept = Topics(retention_days=36_500)  # what is sent has times of its own, whatever the date
    stream = LocalStream(path=folder / "log.db", topics=kept)
    return Settings(stream=stream, database=folder / "bot.db", web=web)


async def send(settings: Settings, *sent: Event) -> None:
    """Write events to the log, each at its own time."""
    async with open_writer(settings.stream) as writer:
        await writer.append(
            [Outgoing(f"pulse.{e.kind}", e.service, encode(e), timestamp=e.time_ms) for e in sent]
        )


@asynccontextmanager
async def running(settings: Settings, ruleset: Ruleset = NO_RULES) -> AsyncIterator[App]:
    """Run a bot while entered; it consumes as it does in life."""
    async with app.opened(settings, ruleset) as opened:
        task = asyncio.create_task(app.run(opened))
        try:
            yield opened
        finally:
            opened.stop.set()
            await task


async def consumed(opened: App, records: int) -> None:
    """Wait until the bot has taken in so many records since it started."""
    async with asyncio.timeout(PATIENCE_S):
        while opened.pipeline.intake.totals.records < records:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.02)


def bury(connection: Connection, view: str, service: str) -> None:
    """Let a service's rows go from a view, then so many others that nobody remembers them."""
    entry = viewcatalog.find(connection, view)
    assert entry
    shape = shape_of(entry, plan_of(connection, entry))
    starts = connection.execute(
        f"SELECT _start_ms FROM {shape.table} WHERE SERVICE_ID = ?",  # noqa: S608 - our own name
        (service,),
    )
    gone = [RowAt(viewtables.encoded([service]), start_ms) for (start_ms,) in starts]
    assert gone
    viewtables.remove(connection, shape, gone, viewcatalog.next_revision(connection))
    others = [RowAt("[]", start_ms) for start_ms in range(viewchanges.REMOVED_KEPT + 1)]
    viewtables.remove(connection, shape, others, viewcatalog.next_revision(connection))
    while viewchanges.forget_removed(connection):
        continue
