"""A bot that publishes to a real PostgreSQL, and both sides looked into."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from pulsebot import app
from pulsebot import event as events
from pulsebot.app import App
from pulsebot.event import Event, TriggerData
from pulsebot.publish.names import columns, folded
from pulsebot.settings import Publish, Settings
from pulsebot.store.viewtables import quoted
from tests.fakes.world import NO_RULES
from tests.materialize import site
from tests.patience import PATIENCE_S

DAY = datetime(2026, 11, 20, tzinfo=UTC)


def publishing(folder: Path, url: str, **more: Any) -> Settings:
    """Return the settings of a bot in a folder that publishes all views."""
    return site.site(folder).model_copy(update={"publish": Publish(url=url, **more)})  # type: ignore[arg-type]


def trigger(service: str, count: int = 1, day: int = 0, **tags: str) -> Event:
    """Return triggers of a day."""
    at = DAY + timedelta(days=day, hours=12)
    return events.trigger(service, at, TriggerData(count=count, tags=tags))


async def once(settings: Settings, *statements: str) -> None:
    """Let a bot create views, read the log to its end, and publish."""
    async with app.opened(settings, NO_RULES) as opened:
        async with opened.reader:
            await opened.pipeline.start()
            await opened.pipeline.run_to_end()
        for statement in statements:
            await opened.desk.execute(statement)
            await opened.desk.builder.built()
        assert opened.publisher
        await opened.publisher.run_to_end()


Rows = list[dict[str, Any]]


def local(settings: Settings, view: str) -> Rows:
    """Return a view's rows as SQLite has them, window bounds in milliseconds."""
    with closing(sqlite3.connect(settings.database)) as connection:
        rows = connection.execute(f"SELECT * FROM {quoted(view)}")  # noqa: S608 - quoted
        names = [str(column[0]) for column in rows.description]
        kept = [at for at, name in enumerate(names) if name not in {"WINDOWSTART", "WINDOWEND"}]
        fields = columns(names[at].removesuffix("_MS") for at in kept)
        return _sorted(
            {field: row[at] for field, at in zip(fields, kept, strict=True)} for row in rows
        )


def remote(url: str, view: str) -> Rows:
    """Return a view's rows as PostgreSQL has them, its moments as milliseconds."""
    with psycopg.connect(url) as connection:
        found = connection.cursor(row_factory=dict_row)
        found.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(folded(view))))
        return _sorted({n: _plain(v) for n, v in row.items() if n != "_row"} for row in found)


def equal(settings: Settings, url: str, view: str = "PER_DAY") -> bool:
    """Tell whether both sides have the same rows, and some."""
    try:
        return remote(url, view) == local(settings, view) != []
    except (psycopg.Error, sqlite3.OperationalError):
        return False


def _sorted(rows: Iterable[dict[str, Any]]) -> Rows:
    return sorted(rows, key=lambda row: repr(sorted(row.items())))


def _plain(value: Any) -> Any:
    return round(value.timestamp() * 1000) if isinstance(value, datetime) else value


def asked(url: str, query: str) -> Sequence[tuple[Any, ...]]:
    """Return what PostgreSQL answers; nothing while it does not."""
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            found = connection.execute(query)  # type: ignore[arg-type]
            return found.fetchall() if found.description else []
    except psycopg.OperationalError:
        return []


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition on the world outside holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - the state of another process
            await asyncio.sleep(0.05)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[App]:
    """Run a bot while entered."""
    async with site.running(settings) as opened:
        yield opened
