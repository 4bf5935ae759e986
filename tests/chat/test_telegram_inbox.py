"""The inbox under more than a person types."""

import asyncio

import pytest
from telegram import Update

from pulsebot.chat.base import Incoming, Reference
from pulsebot.chat.telegram.inbox import AT_ONCE, REMEMBERED, Inbox
from pulsebot.errors import Permanent
from pulsebot.message import Message


def update(number: int, text: str = "/status") -> Update:
    """Make an update as it comes over the wire."""
    user = {"id": 7, "is_bot": False, "first_name": "Ada"}
    message = {
        "message_id": number,
        "date": 1_795_000_000,
        "chat": {"id": 7, "type": "private"},
        "from": user,
        "text": text,
    }
    return Update.de_json({"update_id": number, "message": message})


class Outbox:
    """Takes answers; refuses what it is told to refuse."""

    def __init__(self) -> None:
        self.sent: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self.refused = 0

    async def send(self, target: str, message: Message, *, formatted: bool = True) -> Reference:
        """Put the answer into `sent`."""
        del formatted
        if message.title == "refuse":
            self.refused += 1
            raise Permanent("the bot was kicked")
        await self.sent.put((target, message.title))
        return Reference(target, "1")


async def echo(incoming: Incoming) -> Message:
    """Answer with the command."""
    return Message(incoming.text)


async def test_memory_of_updates_is_bounded() -> None:
    """After far more updates than it remembers, a recent one is still known."""
    outbox = Outbox()
    inbox = Inbox(echo, outbox.send)
    for number in range(2 * REMEMBERED):
        await inbox.accept(update(number), "pulse_bot")
        await outbox.sent.get()
    assert len(inbox._seen) == REMEMBERED
    await inbox.accept(update(2 * REMEMBERED - 1), "pulse_bot")
    await inbox.close()
    assert outbox.sent.empty()


async def test_more_commands_than_it_answers_at_once_wait() -> None:
    """A flood is held back at the door, and nobody's command is lost."""
    gate, begun = asyncio.Event(), 0

    async def slow(incoming: Incoming) -> Message:
        nonlocal begun
        begun += 1
        await gate.wait()
        return Message(incoming.text)

    async def flood() -> None:
        for number in range(2 * AT_ONCE):
            await inbox.accept(update(number), "pulse_bot")

    outbox = Outbox()
    inbox = Inbox(slow, outbox.send)
    flooding = asyncio.create_task(flood())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(flooding), 0.05)
    assert begun == AT_ONCE
    gate.set()
    await flooding
    assert [await outbox.sent.get() for _ in range(2 * AT_ONCE)] == [("7", "status")] * 2 * AT_ONCE


async def test_a_refused_answer_is_given_up_and_the_next_one_goes_out() -> None:
    """Nobody waits behind a chat that does not want us."""
    outbox = Outbox()
    inbox = Inbox(echo, outbox.send)
    await inbox.accept(update(1, "refuse"), "pulse_bot")
    await inbox.accept(update(2, "status"), "pulse_bot")
    assert await outbox.sent.get() == ("7", "status")
    assert outbox.refused == 1


async def test_closing_gives_up_answers_under_way() -> None:
    """Leaving does not wait for a handler that hangs."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def hangs(_: Incoming) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    inbox = Inbox(hangs, Outbox().send)
    await inbox.accept(update(1), "pulse_bot")
    await begun.wait()
    await inbox.close()
    assert ended.is_set()
