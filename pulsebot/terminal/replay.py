"""`pulsebot replay`: build the views again from the log, into a new file, then swap.

Rules, alerts and what was sent stay as they are: only the views are made again, for all event
time since a moment that the log still covers.
"""

import asyncio
import time
from typing import Annotated

import typer
from rich.progress import Progress

from pulsebot.civil import zone_of
from pulsebot.rebuild import Rebuild, rebuild
from pulsebot.terminal.context import ConfigOption, existing_database, load_settings
from pulsebot.timespan import parse_timespan


def replay(
    since: Annotated[str, typer.Option(help='Such as "3d", "2026-11-20" or "since monday".')],
    config: ConfigOption = None,
) -> None:
    """Rebuild the views from the log, since a moment.

    The bot must be stopped meanwhile.
    """
    settings = load_settings(config)
    existing_database(settings)
    now_ms = time.time_ns() // 1_000_000
    said = since.removeprefix("since ")
    span = parse_timespan(
        said if said[:1].isdigit() and said[-1:].isalpha() else f"since {said}",
        now=now_ms,
        zone=zone_of(settings.timezone),
    )
    with Progress(transient=True) as bar:
        task = bar.add_task("reading the log", total=None)
        done = asyncio.run(
            rebuild(
                settings,
                span.start_ms,
                now_ms,
                lambda read, total: bar.update(task, completed=read, total=total),
            )
        )
    typer.echo(_told(done))


def _told(done: Rebuild) -> str:
    start = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(done.start_ms / 1000))
    late = " (the log does not go back further)" if done.moved else ""
    return (
        f"rebuilt the views since {start}{late}: {done.events:,} events of {done.records:,} records"
    )
