"""The command line of the bot: one table of commands, and how errors are told.

A command's module is imported when that command is asked for: `dlq list` answers without waiting
for all that the bot itself is made of.
"""

import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, cast

import typer
from typer.core import TyperGroup

from pulsebot import logs
from pulsebot.chat.terminal import visible
from pulsebot.errors import PulsebotError
from pulsebot.logs import Logs

FAILED = 1
UNUSABLE = 2
"""Exit codes: the work failed; what was given cannot be used."""

COMMANDS = {
    "demo": "pulsebot.demo.command",
    "run": "pulsebot.terminal.run",
    "check": "pulsebot.terminal.check",
    "init": "pulsebot.terminal.init",
    "ask": "pulsebot.terminal.ask",
    "sql": "pulsebot.terminal.sql",
    "replay": "pulsebot.terminal.replay",
    "schema": "pulsebot.terminal.schema",
    "topics": "pulsebot.terminal.topics",
    "dlq": "pulsebot.terminal.dlq",
    "digest": "pulsebot.terminal.ask",
    "slack": "pulsebot.terminal.slack",
}
"""Command to its module, which has it by the same name: a function, or a group of commands."""


class _OnDemand(Mapping[str, object]):
    """The commands by name, made when they are asked for."""

    def __getitem__(self, name: str) -> object:
        found = getattr(import_module(COMMANDS[name]), name)
        alone = typer.Typer(rich_markup_mode=None)
        if isinstance(found, typer.Typer):
            alone.add_typer(found, name=name)
        else:
            alone.command(name)(found)
        return typer.main.get_group(alone).commands[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class _Commands(TyperGroup):
    def __init__(self, **attrs: Any) -> None:  # noqa: ANN401 - typer's own, passed on
        super().__init__(**attrs)
        self.commands = cast("Any", _OnDemand())  # nobody adds to it


app = typer.Typer(
    name="pulsebot",
    cls=_Commands,
    help="Counts what your services do, and tells the people on call.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def _root() -> None:
    pass


def main() -> None:
    """Run one command; an error of ours is told in words, without a traceback."""
    logs.configure(Logs(level="warning"))  # `run` and `demo` speak up by their own settings
    try:
        app(prog_name="pulsebot")
    except PulsebotError as error:
        print(visible(str(error)), file=sys.stderr)  # noqa: T201 - the error is the output
        sys.exit(UNUSABLE)
