"""`pulsebot sql`: views are created and asked, by a statement, by a file, or in a shell."""

import asyncio
import sys
from contextlib import aclosing
from pathlib import Path
from typing import Annotated

import typer

from pulsebot.errors import InvalidInput, PulsebotError
from pulsebot.settings import Settings
from pulsebot.terminal.context import ConfigOption, load_settings
from pulsebot.terminal.sqlask import carried_out
from pulsebot.terminal.sqlshell import shell
from pulsebot.terminal.sqlshow import Output, Show, pointed
from pulsebot.terminal.sqlwords import vocabulary

INTERRUPTED = 130
"""Exit code of what Ctrl-C ended, as shells have it."""


def sql(
    statements: Annotated[str | None, typer.Argument(help="SQL; without it, a shell.")] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", help="A file of statements; - for standard input."),
    ] = None,
    output: Annotated[
        Output, typer.Option("--output", "-o", help="How rows are written.")
    ] = Output.table,
    config: ConfigOption = None,
) -> None:
    """Create views in SQL, and ask them; beside the running bot, or while it is stopped."""
    settings, show = load_settings(config), Show(output)
    if statements is None and file is None:
        if sys.stdin.isatty():
            shell(lambda text: _try(settings, text, show), lambda: vocabulary(settings.database))
            return
        file = Path("-")
    text = _text(statements, file)
    try:
        _run(settings, text, show)
    except KeyboardInterrupt:  # the way to end EMIT CHANGES
        raise typer.Exit(INTERRUPTED) from None
    except InvalidInput as error:
        name = "standard input" if str(file) == "-" else str(file or "")
        raise InvalidInput(pointed(text, error, name)) from error


def _run(settings: Settings, text: str, show: Show) -> None:
    async def carry_out() -> None:
        async with aclosing(carried_out(settings, text)) as pieces:
            await show.all(pieces)

    asyncio.run(carry_out())


def _try(settings: Settings, text: str, show: Show) -> None:
    """Have statements of the shell carried out; the shell goes on whatever becomes of them."""
    try:
        _run(settings, text, show)
    except PulsebotError as error:
        print(pointed(text, error), file=sys.stderr)  # noqa: T201 - the error is the output
    except KeyboardInterrupt:
        print(file=sys.stderr)  # noqa: T201 - the prompt begins a line


def _text(statements: str | None, file: Path | None) -> str:
    if statements is not None and file is not None:
        raise InvalidInput("give statements, or a file of them, not both")
    if statements is not None:
        return statements
    try:
        return sys.stdin.read() if str(file) == "-" else Path(str(file)).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{file}: cannot be read: {error}") from error
