"""Incoming updates: each one once, commands to the handler, the answer to where it was asked.

Knows how people address a bot on Telegram; not where updates come from, nor what commands do.
"""

import asyncio
from collections import OrderedDict
from typing import Protocol

import structlog
from telegram import Chat, Update
from telegram import Message as TelegramMessage

from pulsebot.chat.base import Asker, Handler, Incoming, Reference
from pulsebot.errors import Permanent, Retryable
from pulsebot.message import Message

REMEMBERED = 1_000
"""Updates known by id; Telegram repeats the last hundred at most."""
AT_ONCE = 16
"""Commands being answered at one time; more wait, and so does the next poll."""

_ATTEMPTS = 3
_LONGEST_WAIT_S = 30.0
_log = structlog.get_logger(__name__)


class Send(Protocol):
    """The way out for answers: `Chat.send`."""

    async def __call__(self, target: str, message: Message, *, formatted: bool = True) -> Reference:
        """Send once; raises Retryable or Permanent."""


class Inbox:
    """Takes updates and answers the commands among them."""

    def __init__(self, handler: Handler, send: Send) -> None:
        self._handler = handler
        self._send = send
        self._seen: OrderedDict[int, None] = OrderedDict()
        self._answering: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(AT_ONCE)

    async def accept(self, update: Update, username: str) -> None:
        """Begin to answer an update that holds a command for `username`; repeats are ignored."""
        if update.update_id in self._seen:
            return
        self._remember(update.update_id)
        message = update.message
        incoming = _incoming(message, username) if message else None
        if message is None or incoming is None:
            return
        await self._room.acquire()
        task = asyncio.create_task(self._answer(incoming, _place(message)))
        self._answering.add(task)
        task.add_done_callback(self._answered)

    async def close(self) -> None:
        """Give up the answers that are still under way."""
        tasks = list(self._answering)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _remember(self, update_id: int) -> None:
        self._seen[update_id] = None
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)

    def _answered(self, task: asyncio.Task[None]) -> None:
        self._answering.discard(task)
        self._room.release()
        if not task.cancelled() and (error := task.exception()):
            _log.error("a command was not answered", exc_info=error)

    async def _answer(self, incoming: Incoming, target: str) -> None:
        if reply := await self._handler(incoming):
            await self._reply(target, reply)

    async def _reply(self, target: str, reply: Message) -> None:
        formatted = True
        for _ in range(_ATTEMPTS):
            try:
                await self._send(target, reply, formatted=formatted)
            except Retryable as error:
                _log.warning("an answer has to wait", target=target, reason=error.reason)
                await asyncio.sleep(min(error.after or 1.0, _LONGEST_WAIT_S))
            except Permanent as error:
                if not (error.unformatted and formatted):
                    _log.warning("an answer was refused", target=target, reason=error.reason)
                    return
                formatted = False
            else:
                return


def _incoming(message: TelegramMessage, username: str) -> Incoming | None:
    if not message.text or not message.from_user:
        return None
    text = _command(message.text.strip(), username, private=message.chat.type == Chat.PRIVATE)
    user = message.from_user
    asker = Asker(
        chat="telegram",
        user=str(user.id),
        channel=str(message.chat.id),
        name=user.username or user.full_name,
    )
    return Incoming(asker, text) if text else None


def _command(text: str, username: str, *, private: bool) -> str | None:
    """Return the command without slash and address; None where it is not for us.

    In a private chat the slash may be left out. `/start`, which every Telegram client sends
    first, asks for help.
    """
    if not text.startswith("/"):
        return text if private else None
    head, *rest = text[1:].split(maxsplit=1)
    name, _, addressed = head.partition("@")
    if addressed and addressed.lower() != username.lower():
        return None
    return "help" if name == "start" else " ".join([name, *rest])


def _place(message: TelegramMessage) -> str:
    """Name the chat, and the topic in it where there is one, as a target."""
    topic = message.message_thread_id if message.is_topic_message else None
    return f"{message.chat.id}/{topic}" if topic else str(message.chat.id)
