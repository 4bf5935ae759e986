"""`pulsebot run`: the bot itself."""

import asyncio
from typing import Annotated

import typer

from pulsebot import app, logs
from pulsebot.ruleset import Ruleset, load_rules
from pulsebot.settings import Settings
from pulsebot.terminal.context import ConfigOption, load_settings
from pulsebot.terminal.signals import cancel_on_signals

INTERRUPTED = 130
"""Exit code of what should have come to its own end and was stopped before it."""


def run(
    *,
    once: Annotated[
        bool, typer.Option("--once", help="Consume to the end of the log, send, and exit.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Consume events, evaluate rules, send what is due, answer."""
    settings = load_settings(config)
    ruleset = load_rules(settings.rules, chats=settings.chats())
    if once:  # nobody looks at what ends by itself, and the port may be another bot's
        settings = settings.model_copy(update={"web": None})
    logs.configure(settings.logs, logs.secrets_of(settings))
    try:
        asyncio.run(_run(settings, ruleset, once=once))
    except asyncio.CancelledError:  # by a signal, before the bot was there to take it
        if once:  # not done, whoever waits for it must see
            raise typer.Exit(INTERRUPTED) from None


async def _run(settings: Settings, ruleset: Ruleset, *, once: bool) -> None:
    cancel_on_signals()
    async with app.opened(settings, ruleset) as opened:
        await (app.run_once(opened) if once else app.run(opened))
