"""`pulsebot sql`: statements from the command line, a file, or standard input."""

import asyncio
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pulsebot.errors import InvalidInput
from pulsebot.materialize.answer import Answer
from pulsebot.materialize.builder import Around
from pulsebot.materialize.desk import Desk
from pulsebot.settings import Settings
from pulsebot.store import positions
from pulsebot.store.database import Database
from pulsebot.terminal.context import ConfigOption, load_settings


def sql(
    statements: Annotated[str | None, typer.Argument(help="SQL; else read from -f.")] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", help="A file of statements; - for standard input."),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Create views in SQL, and ask them."""
    text = _text(statements, file)
    for answer in asyncio.run(_execute(load_settings(config), text)):
        _print(answer)


def _text(statements: str | None, file: Path | None) -> str:
    if (statements is None) == (file is None):
        raise InvalidInput('give statements in quotes, or a file: pulsebot sql "SHOW TABLES"')
    if statements is not None:
        return statements
    try:
        return sys.stdin.read() if str(file) == "-" else Path(str(file)).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{file}: cannot be read: {error}") from error


async def _execute(settings: Settings, text: str) -> list[Answer]:
    """Carry statements out while the bot is stopped."""
    async with Database(settings.database) as database:
        desk = Desk(Around(database, settings, positions.load, _now_ms))
        try:
            await desk.builder.resume()
            answers = await desk.execute(text)
            await desk.builder.built()
        finally:
            await desk.builder.close()
    return answers


def _print(answer: Answer) -> None:
    if answer.said:
        typer.echo(answer.said)
    if answer.columns:
        table = Table(*answer.columns)
        for row in answer.rows:
            table.add_row(*("" if value is None else str(value) for value in row))
        Console().print(table)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
