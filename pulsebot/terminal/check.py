"""`pulsebot check`: find out what is wrong before it matters.

First what needs no network (settings, rules and their own tests), then the real parts: the
stream and its topics, the database, each chat's credentials.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated

import typer

from pulsebot.chat.base import Chat
from pulsebot.chat.table import Surroundings, open_chats
from pulsebot.commands.table import COMMANDS
from pulsebot.errors import PulsebotError
from pulsebot.phrases import plural
from pulsebot.ruleset import Ruleset, check_cases, load_rules
from pulsebot.settings import Settings
from pulsebot.store.database import connect, migrate
from pulsebot.stream.open import open_reader
from pulsebot.terminal.context import ConfigOption, load_settings
from pulsebot.web.auth import closed

LIMIT_S = 15.0
"""Time for each real part to answer."""

CONNECT_S = 10.0
STEP_S = 0.1


def check(
    *,
    live: Annotated[
        bool, typer.Option(help="Also try the stream, the database and the chats.")
    ] = True,
    config: ConfigOption = None,
) -> None:
    """Check settings, rules and their tests, and try each real part."""
    settings = load_settings(config)
    ruleset = load_rules(settings.rules, chats=settings.chats())
    failed = _rules(ruleset)
    if settings.web and (reason := closed(settings.web)):
        typer.echo(f"note  web {settings.web.listen}: {reason}")
    if live:
        # A finding says once what the log would say at every retry.
        logging.disable(logging.ERROR)
        failed |= asyncio.run(_live(settings))
    if failed:
        raise typer.Exit(1)


def _rules(ruleset: Ruleset) -> bool:
    rules, routes = len(ruleset.rules), len(ruleset.routes)
    views = f", {plural(len(ruleset.views), 'view')}" if ruleset.views else ""
    _say(True, f"settings, {plural(rules, 'rule')}, {plural(routes, 'route')}{views}")
    failures = check_cases(ruleset)
    for failure in failures:
        _say(False, str(failure))
    passed = len(ruleset.tests) - len(failures)
    if ruleset.tests:
        _say(not failures, f"{passed} of {len(ruleset.tests)} tests in the rule files")
    return bool(failures)


async def _live(settings: Settings) -> bool:
    failed = False
    try:
        chats = _chats(settings)
    except PulsebotError as error:
        chats, failed = [], _say(False, str(error))
    probes: list[tuple[str, Callable[[], Awaitable[str]]]] = [
        (_stream_name(settings), lambda: _stream(settings)),
        ("database", lambda: _database(settings)),
        *((chat.name, partial(_chat, chat)) for chat in chats),
    ]
    for name, probe in probes:
        try:
            _say(True, f"{name}: {await asyncio.wait_for(probe(), LIMIT_S)}")
        except PulsebotError as error:
            failed = _say(False, f"{name}: {error}")
        except TimeoutError:
            failed = _say(False, f"{name}: no answer within {LIMIT_S:.0f} s")
    return failed


def _stream_name(settings: Settings) -> str:
    stream = settings.stream
    return f"stream {', '.join(stream.bootstrap)}" if stream.type == "kafka" else "stream"


async def _stream(settings: Settings) -> str:
    async with open_reader(settings.stream) as reader:
        ends = await reader.ends()
    topics = sorted({partition.topic for partition in ends})
    missing = set(settings.stream.topics.to_read()) - set(topics)
    if missing and settings.stream.type == "kafka":
        names = ", ".join(sorted(missing))
        raise PulsebotError(f"topics missing: {names}; create them: pulsebot topics create")
    found = f"{plural(len(topics), 'topic')}, {plural(sum(ends.values()), 'record')} so far"
    return f"{settings.stream.type}, {found}"


async def _database(settings: Settings) -> str:
    existed = settings.database.exists()
    connection = connect(settings.database)
    migrate(connection, settings.database)
    connection.close()
    return f"{settings.database} {'is usable' if existed else 'was created'}"


def _chats(settings: Settings) -> list[Chat]:
    around = Surroundings(_silent, {c.name: c.help for c in COMMANDS.values()})
    return open_chats(settings.model_copy(update={"console": False}), around)


async def _chat(chat: Chat) -> str:
    """Enter a chat and wait until it says that nothing is wrong."""
    async with chat:
        for _ in range(int(CONNECT_S / STEP_S)):
            if chat.health() is None:
                return "connected"
            await asyncio.sleep(STEP_S)
        raise PulsebotError(chat.health() or "not connected")


async def _silent(_: object) -> None:
    """Answer nobody: this is only a check."""


def _say(good: bool, text: str) -> bool:  # noqa: FBT001 - the one fact it is about
    """Tell one finding; return whether it is a failure."""
    typer.echo(f"{'ok  ' if good else 'FAIL'}  {text}", err=not good)
    return not good
