"""Each chat with its loopback platform behind one face, for the contract suite.

A new chat is one class here and one line in each of the tables below that it belongs to.
"""

import asyncio
import io
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Literal, Protocol

from pydantic import SecretStr

from pulsebot.chat.base import Chat, Handler
from pulsebot.chat.console import ConsoleChat
from pulsebot.chat.slack import SlackChat
from pulsebot.chat.telegram.chat import TelegramChat
from pulsebot.chat.webhook import WebhookChat
from pulsebot.settings import Telegram, Webhook
from tests.chat.slack_rig import settings as slack_settings
from tests.fakes import slack, slack_rules, telegram
from tests.fakes.slack import FakeSlack
from tests.fakes.telegram import FakeTelegram, Room
from tests.fakes.webhook import FakeReceiver, Reply
from tests.patience import PATIENCE_S

PAUSE_S = 7
"""What a platform asks for when it says "too many"."""

Trouble = Literal["too many", "server error", "dropped before", "dropped after", "gone"]


class Stand(Protocol):
    """One chat and the platform that it talks to."""

    @property
    def chat(self) -> Chat:
        """The chat, entered and connected."""

    @property
    def target(self) -> str:
        """A target that works."""

    def seen(self) -> list[str]:
        """Return what people have read at the target so far, one text a message."""

    async def fail(self, trouble: Trouble) -> None:
        """Let the next message meet trouble; `gone` takes the platform off the network."""

    async def ask(self, text: str) -> None:
        """Let a person type a command and return when the answer can be read."""


class TelegramStand:
    """A bot in one group."""

    target = "-100"

    def __init__(self, server: FakeTelegram, chat: TelegramChat) -> None:
        self.chat = chat
        self._server = server

    def seen(self) -> list[str]:
        """Return the accepted texts."""
        return [sent.text for sent in self._server.sent]

    async def fail(self, trouble: Trouble) -> None:
        """Arrange for it at the server."""
        if trouble == "gone":
            await self._server.__aexit__()
        else:
            self._server.fail("sendMessage", _TELEGRAM[trouble])

    async def ask(self, text: str) -> None:
        """Say it in the group."""
        before = len(self._server.sent)
        await self._server.say(int(self.target), text)
        await self._server.until(lambda fake: len(fake.sent) > before)


_TELEGRAM: dict[Trouble, telegram.Fault] = {
    "too many": telegram.Fault(429, "Too Many Requests", {"retry_after": PAUSE_S}),
    "server error": telegram.Fault(500),
    "dropped before": telegram.Fault(drop="before"),
    "dropped after": telegram.Fault(drop="after"),
}


@asynccontextmanager
async def _telegram(handler: Handler) -> AsyncIterator[Stand]:
    async with FakeTelegram() as server:
        server.rooms[int(TelegramStand.target)] = Room()
        settings = Telegram(token=SecretStr(telegram.TOKEN), base_url=server.base_url)
        async with TelegramChat(settings, handler, {"status": "What runs"}) as chat:
            await server.until(lambda fake: fake.calls.count("getUpdates") > 1)
            yield TelegramStand(server, chat)


class SlackStand:
    """A workspace over Socket Mode."""

    target = "#ops"

    def __init__(self, server: FakeSlack, chat: SlackChat) -> None:
        self.chat = chat
        self._server = server

    def seen(self) -> list[str]:
        """Return what the blocks of each message and answer show."""
        posted = [message.shown for message in self._server.messages]
        return posted + [slack_rules.shown(reply) for reply in self._server.replies]

    async def fail(self, trouble: Trouble) -> None:
        """Arrange for it at the server."""
        if trouble == "gone":
            await self._server.stop()
        else:
            self._server.fail(_SLACK[trouble], after=PAUSE_S)

    async def ask(self, text: str) -> None:
        """Type it as a slash command."""
        before = len(self._server.replies)
        await self._server.push("slash_commands", self._server.slash(text))
        await self._server.until(lambda: len(self._server.replies) > before)


_SLACK: dict[Trouble, slack.Kind] = {
    "too many": "rate_limited",
    "server error": "status",
    "dropped before": "drop_before",
    "dropped after": "drop_after",
}


@asynccontextmanager
async def _slack(handler: Handler) -> AsyncIterator[Stand]:
    async with FakeSlack() as server:
        server.missing.add("nowhere")
        settings = slack_settings(server, mode="socket")
        async with SlackChat(settings, handler, ["triggers"]) as chat:
            await server.until(lambda: server.connected == 1 and server.calls["auth.test"] == 1)
            yield SlackStand(server, chat)


class WebhookStand:
    """One receiver."""

    target = "ci"

    def __init__(self, server: FakeReceiver, chat: WebhookChat) -> None:
        self.chat = chat
        self._server = server

    def seen(self) -> list[str]:
        """Return the accepted texts."""
        return [received.content["text"] for received in self._server.received]

    async def fail(self, trouble: Trouble) -> None:
        """Arrange for it at the server."""
        if trouble == "gone":
            await self._server.__aexit__()
        else:
            self._server.replies.append(_WEBHOOK[trouble])

    async def ask(self, text: str) -> None:
        """Nobody types into a webhook."""
        raise NotImplementedError(text)


_WEBHOOK: dict[Trouble, Reply] = {
    "too many": Reply(429, {"Retry-After": str(PAUSE_S)}),
    "server error": Reply(500),
    "dropped before": Reply(drop="before"),
    "dropped after": Reply(drop="after"),
}


@asynccontextmanager
async def _webhook(_: Handler) -> AsyncIterator[Stand]:
    async with FakeReceiver() as server:
        hook = Webhook(url=server.url)
        async with WebhookChat({WebhookStand.target: hook}) as chat:
            yield WebhookStand(server, chat)


class _Screen(io.StringIO):
    """Shows when something is written."""

    def __init__(self) -> None:
        super().__init__()
        self.changed = asyncio.Event()

    def write(self, text: str) -> int:
        self.changed.set()
        return super().write(text)


class ConsoleStand:
    """A console on plain pipes."""

    target = ""

    def __init__(self, chat: ConsoleChat, sink: _Screen, typed: io.TextIOBase) -> None:
        self.chat = chat
        self._sink = sink
        self._typed = typed

    def seen(self) -> list[str]:
        """Return each message; those after its first line are indented."""
        texts: list[str] = []
        for line in self._sink.getvalue().splitlines():
            if line.startswith("  "):
                texts[-1] += "\n" + line[2:]
            else:
                texts.append(line)
        return texts

    async def fail(self, trouble: Trouble) -> None:
        """There is no network to a console."""
        raise NotImplementedError(trouble)

    async def ask(self, text: str) -> None:
        """Type it."""
        before = len(self.seen())
        self._typed.write(text + "\n")
        self._typed.flush()
        async with asyncio.timeout(PATIENCE_S):
            while len(self.seen()) < before + 2:  # the echo and the answer
                self._sink.changed.clear()
                await self._sink.changed.wait()


@asynccontextmanager
async def _console(handler: Handler) -> AsyncIterator[Stand]:
    reading, writing = os.pipe()
    sink = _Screen()
    with os.fdopen(reading) as source, os.fdopen(writing, "w") as typed:
        async with ConsoleChat(handler, source=source, sink=sink) as chat:
            yield ConsoleStand(chat, sink, typed)


Open = Callable[[Handler], AbstractAsyncContextManager[Stand]]

NETWORKED: dict[str, Open] = {"slack": _slack, "telegram": _telegram, "webhook": _webhook}
"""Chats with a platform that can be in trouble."""
ASKED: dict[str, Open] = {"slack": _slack, "telegram": _telegram, "console": _console}
"""Chats that take commands."""
CHATS: dict[str, Open] = NETWORKED | ASKED
