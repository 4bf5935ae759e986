"""`pulsebot ask` and `pulsebot digest`: answers in the terminal, beside a running bot or not."""

import asyncio
import time
from datetime import UTC, date, datetime
from typing import Annotated

import typer

from pulsebot.bot import Bot
from pulsebot.chat.base import Asker, Incoming
from pulsebot.chat.terminal import answer_text
from pulsebot.civil import zone_of
from pulsebot.errors import InvalidInput
from pulsebot.message import Message
from pulsebot.ruleset import load_rules
from pulsebot.scheduler import Making, preview
from pulsebot.settings import Settings
from pulsebot.store.database import ReadOnly, connect
from pulsebot.terminal.context import ConfigOption, existing_database, load_settings

digest = typer.Typer(help="Look at digests.", no_args_is_help=True)


def ask(
    question: Annotated[str, typer.Argument(help='For example: "/triggers svc-a today".')],
    config: ConfigOption = None,
) -> None:
    """Answer one question as the chats do."""
    settings = load_settings(config)
    answer = asyncio.run(_answer(settings, question))
    typer.echo(answer_text(answer))


async def _answer(settings: Settings, question: str) -> Message:
    async with ReadOnly(existing_database(settings)) as database:
        bot = Bot(database, settings, now_ms=_now_ms, behind=lambda: 0)
        return await bot.run(Incoming(Asker("console", "", ""), question))


@digest.command("preview")
def preview_(
    name: Annotated[str, typer.Argument(help="A digest of the rule files.")],
    on: Annotated[
        str | None, typer.Option(help="Local date it would be sent on; else today.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Show what a digest says, without sending it."""
    settings = load_settings(config)
    digests = load_rules(settings.rules, chats=settings.chats()).digests
    if name not in digests:
        known = ", ".join(digests) or "none in the rule files"
        raise InvalidInput(f"there is no digest {name}; there is {known}")
    day = _date(on) if on else datetime.now(UTC).astimezone(zone_of(digests[name].tz)).date()
    connection = connect(existing_database(settings), read_only=True)
    making = Making(name, digests[name], day, _now_ms())
    typer.echo(answer_text(preview(connection, making)))


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"--on {text}: write a date like 2026-11-23") from None


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
