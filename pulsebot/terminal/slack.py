"""`pulsebot slack`: what Slack needs to know of us."""

from typing import Annotated

import typer

from pulsebot.chat.slack.manifest import DEFAULT_URL, manifest_text
from pulsebot.commands.table import COMMANDS
from pulsebot.terminal.context import ConfigOption, load_settings

slack = typer.Typer(help="Set up Slack.", no_args_is_help=True)


@slack.callback()
def _group() -> None:
    """Keep `manifest` a command of its own, though it is the only one."""


@slack.command()
def manifest(
    url: Annotated[str, typer.Option(help="Public address, in HTTP mode.")] = DEFAULT_URL,
    config: ConfigOption = None,
) -> None:
    """Print the app manifest to paste into a new Slack app."""
    commands = {command.name: (command.usage, command.help) for command in COMMANDS.values()}
    typer.echo(manifest_text(commands, load_settings(config).slack, url))
