"""`pulsebot replay`: build the views again from the log, into a new file, then swap.

Rules, alerts and what was sent stay as they are: only the views are made again, for all event
time since a moment that the log still covers.
"""

import asyncio
import sys
import time
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.progress import Progress

from pulsebot.civil import zone_of
from pulsebot.materialize.answer import Answer
from pulsebot.phrases import plural
from pulsebot.rebuild import Rebuild, rebuild
from pulsebot.settings import Settings
from pulsebot.store import viewcatalog
from pulsebot.store.database import ReadOnly
from pulsebot.store.viewtables import quoted
from pulsebot.terminal.context import ConfigOption, existing_database, load_settings
from pulsebot.terminal.sqlask import carried_out
from pulsebot.timespan import parse_timespan


def replay(
    since: Annotated[str, typer.Option(help='Such as "3d", "2026-11-20" or "since monday".')],
    view: Annotated[
        str | None, typer.Option(help="Only this SQL view; the bot may be running.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Rebuild the views from the log, since a moment.

    The bot must be stopped meanwhile, unless it is about a single SQL view.
    """
    settings = load_settings(config)
    existing_database(settings)
    now_ms = time.time_ns() // 1_000_000
    start_ms = _start_ms(since, now_ms, settings)
    if view is None:
        with Progress(transient=True, disable=not sys.stdout.isatty()) as bar:
            task = bar.add_task("reading the log", total=None)
            done = asyncio.run(
                rebuild(
                    settings,
                    start_ms,
                    now_ms,
                    lambda read, total: bar.update(task, completed=read, total=total),
                )
            )
        typer.echo(_told(done))
    asyncio.run(_rebuild_sql(settings, view, start_ms))


def _start_ms(since: str, now_ms: int, settings: Settings) -> int:
    said = since.removeprefix("since ")
    span = parse_timespan(
        said if said[:1].isdigit() and said[-1:].isalpha() else f"since {said}",
        now=now_ms,
        zone=zone_of(settings.timezone),
    )
    return span.start_ms


async def _rebuild_sql(settings: Settings, view: str | None, start_ms: int) -> None:
    """Build SQL views again, each beside its old version."""
    since = datetime.fromtimestamp(start_ms / 1000, UTC).isoformat()
    async with ReadOnly(settings.database) as database:
        entries = await database.read(viewcatalog.entries)
    names = [e.name for e in entries if (e.kind, e.state) == ("TABLE", "live")]
    wanted = names if view is None else [n for n in names if n == view.upper()] or [view]
    for name in wanted:
        statement = f"REPLAY TABLE {quoted(name)} FROM TIMESTAMP '{since}'"
        async with aclosing(carried_out(settings, statement)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Answer):
                    typer.echo(piece.said)


def _told(done: Rebuild) -> str:
    start = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(done.start_ms / 1000))
    late = " (the log does not go back further)" if done.moved else ""
    return (
        f"rebuilt the views since {start}{late}:"
        f" {plural(done.events, 'event')} of {plural(done.records, 'record')}"
    )
