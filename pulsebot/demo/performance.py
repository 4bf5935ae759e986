"""A performance: the bot in this process, the stage with all services beside it.

Put together in one place for the terminal and for the script; entered in this order, taken
apart in the other, so that the services report until the bot has closed its books.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pulsebot import app, logs, settings
from pulsebot.demo.ground import Ground, laid
from pulsebot.demo.staging import free_port, reserved, staged
from pulsebot.demo.timetable import SceneName
from pulsebot.errors import PulsebotError
from pulsebot.ruleset import load_rules
from pulsebot.terminal.signals import cancel_on_signals


@dataclass(frozen=True, slots=True)
class Performance:
    """What is going on: the folder, the bot, and the process that holds the services."""

    ground: Ground
    bot: app.App
    stage: asyncio.subprocess.Process

    async def run(self) -> None:
        """Run the bot until it is stopped; raises PulsebotError where the stage broke down."""
        watching = asyncio.create_task(self._stop_with_stage())
        try:
            await app.run(self.bot)
        finally:
            watching.cancel()
        if (code := self.stage.returncode) is not None:
            raise PulsebotError(f"the demo's services ended by themselves (exit code {code})")

    async def _stop_with_stage(self) -> None:
        await self.stage.wait()
        self.bot.stop.set()


@asynccontextmanager
async def performing(
    folder: Path | None, scene: SceneName, greet: Callable[[Ground], None] = lambda _: None
) -> AsyncIterator[Performance]:
    """Start everything in a folder (default: a temporary one); afterwards nothing is left.

    `greet` is called before anything appears on the screen. Our logs go to a file meanwhile.
    """
    cancel_on_signals()
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(reserved())
        ground = stack.enter_context(laid(folder, listener.getsockname()[1], free_port()))
        greet(ground)
        file = stack.enter_context(ground.log("bot").open("a", encoding="utf-8"))
        stage = await stack.enter_async_context(staged(ground, scene, listener))
        stack.enter_context(contextlib.redirect_stderr(file))
        loaded = settings.load(ground.bot, environ={})
        logs.configure(loaded.logs)
        rules = load_rules(loaded.rules, chats=loaded.chats())
        # A digest tells about yesterday, when there was nothing yet.
        rules = replace(rules, digests={})
        bot = await stack.enter_async_context(app.opened(loaded, rules))
        yield Performance(ground, bot, stage)
