"""The listening side: keeps updates coming, by polling or by webhook, whatever breaks.

Telegram may be away at the start or for hours; this tries again with backoff and says in
`trouble` what is wrong. What an update means is the inbox's business.
"""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import structlog
from telegram import Bot, BotCommand, Update
from telegram.error import Conflict, RetryAfter, TelegramError

from pulsebot.chat.telegram.refusal import seconds, trouble

_POLL_S = 25
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 60.0
_LONGEST_WAIT_S = 3600.0
"""However long Telegram asks us to wait: people want to be heard again."""
_DESCRIPTION_LIMIT = 256  # https://core.telegram.org/bots/api#botcommand
_WANTED = [Update.MESSAGE]
_log = structlog.get_logger(__name__)


class Accept(Protocol):
    """The way in for updates: `Inbox.accept`."""

    async def __call__(self, update: Update, username: str) -> None:
        """Take one update for the bot of that name."""


@dataclass(frozen=True, slots=True)
class Hook:
    """Where Telegram shall call us, and the word by which we know it."""

    url: str
    secret: str


class Connection:
    """Announces the commands, then takes updates until it is cancelled.

    With a `hook`, updates come to our web server, and only the registration is looked after,
    every `check_s` seconds.
    """

    def __init__(
        self,
        bot: Bot,
        commands: Mapping[str, str],
        accept: Accept,
        hook: Hook | None = None,
        check_s: float = 60.0,
    ) -> None:
        self.trouble: str | None = "not connected yet"
        self.username: str | None = None
        self._bot = bot
        self._commands = [
            BotCommand(name, line[:_DESCRIPTION_LIMIT]) for name, line in commands.items()
        ]
        self._accept = accept
        self._hook = hook
        self._check_s = check_s
        self._offset = 0
        self._pause = _FIRST_PAUSE_S
        self._contested = False

    async def run(self) -> None:
        """Connect and listen, again after every failure; ends only by being cancelled."""
        while True:
            try:
                username = await self._connect()
                await (self._look_after(self._hook) if self._hook else self._poll(username))
            except Exception as error:  # noqa: BLE001 - nothing may end the listening
                await asyncio.sleep(self._failed(error))

    async def confirm(self) -> None:
        """Tell Telegram what was taken, so that it is not repeated after a restart."""
        if self._offset and not self._hook:
            with suppress(TelegramError, TimeoutError):
                async with asyncio.timeout(2):
                    await self._bot.get_updates(self._offset, timeout=0, allowed_updates=_WANTED)

    async def _connect(self) -> str:
        username = (await self._bot.get_me()).username or ""
        await self._bot.set_my_commands(self._commands)
        if self._hook:
            await self._register(self._hook)
        else:
            await self._bot.delete_webhook()
        self.username = username
        return username

    async def _poll(self, username: str) -> None:
        wait = 0  # the first poll shows at once whether polling works
        while True:
            updates = await self._bot.get_updates(
                self._offset, timeout=wait, read_timeout=10, allowed_updates=_WANTED
            )
            self._works(settled=wait > 0)
            for update in updates:
                await self._accept(update, username)
                self._offset = update.update_id + 1
            wait = _POLL_S

    async def _look_after(self, hook: Hook) -> None:
        while True:
            info = await self._bot.get_webhook_info()
            self._works(settled=True)
            if info.url != hook.url:
                await self._register(hook)
            failed = info.last_error_date.timestamp() if info.last_error_date else 0.0
            if time.time() - failed < 2 * self._check_s:
                self.trouble = f"Telegram cannot call {hook.url} ({info.last_error_message})"
            await asyncio.sleep(self._check_s)

    async def _register(self, hook: Hook) -> None:
        await self._bot.set_webhook(hook.url, secret_token=hook.secret, allowed_updates=_WANTED)

    def _works(self, *, settled: bool) -> None:
        """Note a success; a rival lets short polls through, so only a long one ends a conflict."""
        if settled:
            self._contested = False
            self._pause = _FIRST_PAUSE_S
        if self.trouble and not self._contested:
            _log.info("listening to Telegram", username=self.username)
            self.trouble = None

    def _failed(self, error: Exception) -> float:
        """Note the trouble (logging each only once) and return the seconds to wait."""
        words = trouble(error)
        self._contested = self._contested or isinstance(error, Conflict)
        if words != self.trouble:
            _log.warning("not listening to Telegram", reason=words)
        self.trouble = words
        asked = seconds(error) if isinstance(error, RetryAfter) else None
        pause = self._pause if asked is None else min(asked, _LONGEST_WAIT_S)
        self._pause = min(self._pause * 2, _LONGEST_PAUSE_S)
        return pause
