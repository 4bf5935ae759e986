"""A console session in a process of its own, for the tests that need a real terminal."""

import asyncio

import structlog

from pulsebot import logs
from pulsebot.chat.base import Incoming
from pulsebot.chat.console import ConsoleChat
from pulsebot.logs import Logs
from pulsebot.message import Message, Table

log = structlog.get_logger("session")

WORDS = ["status", "triggers"]
SERVICES = ["checkout", "svc-a"]


async def main() -> None:
    """Answer `triggers`, alert, log, and leave when told so or when the person ends."""
    logs.configure(Logs())
    over = asyncio.Event()

    async def handler(incoming: Incoming) -> Message | None:
        match incoming.text.split():
            case ["triggers", service, window]:
                table = Table(("service", "count"), ((service, "1,234"),))
                return Message(f"{service} {window}: 1,234 triggers", (table,))
            case ["alert"]:
                evil = "svc-a crashed \x1b[2J\x1b]0;owned\x07 [red]no markup[/red]"
                await chat.send("", Message(evil, severity="critical"))
            case ["log"]:  # a little later, when the prompt is back
                asyncio.get_running_loop().call_later(0.2, log.info, "a log line")
            case ["leave"]:
                asyncio.get_running_loop().call_soon(over.set)
        return None

    def words(typed: list[str]) -> list[str]:
        return WORDS if len(typed) == 1 else SERVICES

    def ended() -> None:
        print("ended by the person", flush=True)  # noqa: T201 - what the test looks for
        over.set()

    async with ConsoleChat(handler, words=words, on_exit=ended) as chat:
        await over.wait()
    print("closed", flush=True)  # noqa: T201 - what the test looks for


if __name__ == "__main__":
    asyncio.run(main())
