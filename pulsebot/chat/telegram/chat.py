"""Telegram behind the Chat Protocol, by python-telegram-bot's `Bot`.

Owns the wiring of its room: sending here, listening in `connection`, commands in `inbox`. The
library's own Application and Updater are left out: the Updater gives up on an error where it
should go on, and tells nobody.
"""

import asyncio
import hmac
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Self

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from telegram import Bot, LinkPreviewOptions, Update
from telegram.constants import ParseMode

from pulsebot.chat.base import Handler, Reference
from pulsebot.chat.telegram.connection import Connection, Hook
from pulsebot.chat.telegram.inbox import Inbox
from pulsebot.chat.telegram.refusal import refusal
from pulsebot.chat.telegram.render import render
from pulsebot.chat.telegram.request import RedactingRequest, silence
from pulsebot.errors import InvalidInput, Permanent
from pulsebot.message import Message
from pulsebot.settings import TELEGRAM_TARGET, Telegram

WEBHOOK_PATH = "/telegram/webhook"
UPDATE_LIMIT = 1024 * 1024
"""Bytes of one update by webhook; real ones have a few thousand."""

_COMMAND = re.compile(r"[a-z0-9_]{1,32}")  # https://core.telegram.org/bots/api#botcommand
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")  # https://core.telegram.org/bots/api#setwebhook


class TelegramChat:
    """One bot account on Telegram.

    A target is a name from `settings.chats`, a numeric id or `@channel`, and may say a topic of
    a forum: `-100123/45`. `commands` maps each command's name to one line of help. Raises
    InvalidInput where settings or command names cannot work on Telegram.
    """

    name = "telegram"
    pace_s = 1.0
    """https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this

    One message a second and chat. A group takes 20 a minute: a longer burst than that meets the
    429 with its wait, a short one need not.
    """

    def __init__(self, settings: Telegram, handler: Handler, commands: Mapping[str, str]) -> None:
        silence()
        token = settings.token.get_secret_value()
        _check(settings, token, commands)
        self._chats = {name: str(chat) for name, chat in settings.chats.items()}
        self._requests = (RedactingRequest(token), RedactingRequest(token))
        self._bot = Bot(
            token,
            base_url=settings.base_url,
            request=self._requests[0],
            get_updates_request=self._requests[1],
        )
        self._hook = _hook(settings)
        self._inbox = Inbox(handler, self.send)
        self._connection = Connection(self._bot, commands, self._inbox.accept, self._hook)
        self._lifetime = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            for request in self._requests:
                await stack.enter_async_context(request)
            stack.push_async_callback(self._connection.confirm)
            stack.push_async_callback(self._inbox.close)
            listening = asyncio.create_task(self._connection.run(), name="telegram")
            stack.push_async_callback(_finish, listening)
            self._lifetime = stack.pop_all()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._lifetime.aclose()

    async def send(
        self, target: str, message: Message, *, formatted: bool = True, notification: str = ""
    ) -> Reference:
        """Send a message once, shortened to Telegram's limit; see `Chat.send`.

        The reference names the chat by its id, with the topic where there was one.
        """
        del notification  # nothing here recognises a repetition
        chat, topic = self._place(target)
        try:
            sent = await self._bot.send_message(
                chat,
                render(message, formatted=formatted),
                parse_mode=ParseMode.HTML if formatted else None,
                message_thread_id=topic,
                link_preview_options=LinkPreviewOptions(is_disabled=True),
            )
        except Exception as error:
            raise refusal(error, f"telegram:{target}") from error
        return Reference(f"{sent.chat_id}/{topic}" if topic else f"{sent.chat_id}", f"{sent.id}")

    def health(self) -> str | None:
        """Return why updates do not come in, or None."""
        return self._connection.trouble

    def http_routes(self) -> Sequence[Route]:
        """Return what our web server must serve: nothing unless Telegram calls us."""
        if not self._hook:
            return ()
        return (Route(WEBHOOK_PATH, self._called, methods=["POST"]),)

    def _place(self, target: str) -> tuple[str, int | None]:
        match = TELEGRAM_TARGET.fullmatch(self._chats.get(target, target))
        if not match:
            known = ", ".join(sorted(self._chats)) or "none yet"
            raise Permanent(
                f"telegram:{target} is neither a chat id nor @channel nor a name in "
                f"telegram.chats ({known}): add it there"
            )
        return match[1], int(match[2]) if match[2] else None

    async def _called(self, request: Request) -> Response:
        """Take one update from Telegram, which calls again unless it is answered with 2xx."""
        secret = request.headers.get("X-Telegram-Bot-Api-Secret-Token", "")
        if not self._hook or not hmac.compare_digest(secret.encode(), self._hook.secret.encode()):
            return Response(status_code=403)
        body = await _read(request)
        if body is None:
            return Response(status_code=413)
        username = self._connection.username
        if username is None:
            return Response(status_code=503)
        try:
            update = Update.de_json(json.loads(body), self._bot)
        except (ValueError, TypeError, LookupError, AttributeError):
            return PlainTextResponse("not an update", status_code=400)
        await self._inbox.accept(update, username)
        return Response()


async def _read(request: Request) -> bytes | None:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > UPDATE_LIMIT:
            return None
    return bytes(body)


def _hook(settings: Telegram) -> Hook | None:
    if settings.mode == "polling" or not settings.webhook_url:
        return None
    secret = settings.webhook_secret
    return Hook(
        settings.webhook_url, secret.get_secret_value() if secret else secrets.token_urlsafe(32)
    )


def _check(settings: Telegram, token: str, commands: Mapping[str, str]) -> None:
    secret = settings.webhook_secret
    if not token:
        raise InvalidInput("telegram.token is empty: put in the token that @BotFather gave")
    if settings.mode == "webhook" and not settings.webhook_url:
        raise InvalidInput("telegram.webhook_url is missing: webhook mode needs the https address")
    if secret and not _SECRET.fullmatch(secret.get_secret_value()):
        raise InvalidInput("telegram.webhook_secret may hold 1 to 256 of A-Z a-z 0-9 _ - only")
    for name, chat in settings.chats.items():
        if not TELEGRAM_TARGET.fullmatch(str(chat)):
            raise InvalidInput(f"telegram.chats.{name}: {chat!r} is neither a chat id nor @channel")
    for name, line in commands.items():
        if not _COMMAND.fullmatch(name) or not line:
            raise InvalidInput(
                f"command {name!r}: Telegram takes a-z 0-9 _ (1 to 32) and a line of help"
            )


async def _finish(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
