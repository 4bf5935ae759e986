"""The command line of the bot: one table of commands, and how errors are told."""

import sys
from collections.abc import Callable

import typer

from pulsebot import logs
from pulsebot.chat.terminal import visible
from pulsebot.demo.command import demo
from pulsebot.errors import PulsebotError
from pulsebot.settings import Logs
from pulsebot.terminal.ask import ask, digest
from pulsebot.terminal.check import check
from pulsebot.terminal.dlq import dlq
from pulsebot.terminal.init import init
from pulsebot.terminal.replay import replay
from pulsebot.terminal.run import run
from pulsebot.terminal.schema import schema
from pulsebot.terminal.slack import slack
from pulsebot.terminal.sql import sql
from pulsebot.terminal.topics import topics

FAILED = 1
UNUSABLE = 2
"""Exit codes: the work failed; what was given cannot be used."""

app = typer.Typer(
    name="pulsebot",
    help="Counts what your services do, and tells the people on call.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

COMMANDS: tuple[Callable[..., None], ...] = (
    demo,
    run,
    check,
    init,
    ask,
    sql,
    replay,
    schema,
)
GROUPS = (topics, dlq, digest, slack)

for command in COMMANDS:
    app.command()(command)
app.add_typer(topics, name="topics")
app.add_typer(dlq, name="dlq")
app.add_typer(digest, name="digest")
app.add_typer(slack, name="slack")


def main() -> None:
    """Run one command; an error of ours is told in words, without a traceback."""
    logs.configure(Logs(level="warning"))  # `run` and `demo` speak up by their own settings
    try:
        app(prog_name="pulsebot")
    except PulsebotError as error:
        print(visible(str(error)), file=sys.stderr)  # noqa: T201 - the error is the output
        sys.exit(UNUSABLE)
