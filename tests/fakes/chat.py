"""A chat that remembers: the Chat's whole contract, with answers as a test wants them."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from starlette.routing import BaseRoute

from pulsebot.chat.base import Reference
from pulsebot.message import Message
from tests.patience import PATIENCE_S


@dataclass(frozen=True)
class Said:
    """One message as it arrived."""

    target: str
    message: Message
    formatted: bool
    notification: str


class RecordingChat:
    """Takes every message, unless `troubles` of its target say otherwise, one a message.

    What is in `stuck` gets no answer until it is taken out and `moved` is called.
    """

    def __init__(self, name: str = "rec", pace_s: float = 0.0) -> None:
        self.name = name
        self.pace_s = pace_s
        self.said: list[Said] = []
        self.troubles: defaultdict[str, deque[Exception]] = defaultdict(deque)
        self.attempts: list[str] = []
        """Targets, in the order of the attempts."""
        self.stuck: set[str] = set()
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None: ...

    async def send(
        self, target: str, message: Message, *, formatted: bool = True, notification: str = ""
    ) -> Reference:
        """Meet the next trouble of the target, or take the message."""
        self.attempts.append(target)
        await self.moved()
        async with self._changed:
            await self._changed.wait_for(lambda: target not in self.stuck)
        if self.troubles[target]:
            raise self.troubles[target].popleft()
        self.said.append(Said(target, message, formatted, notification))
        await self.moved()
        return Reference(target, str(len(self.said)))

    async def moved(self) -> None:
        """Tell whoever waits that something has changed."""
        async with self._changed:
            self._changed.notify_all()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something that this chat sees has come true."""
        async with asyncio.timeout(PATIENCE_S), self._changed:
            await self._changed.wait_for(condition)

    def health(self) -> str | None:
        """Return None: nothing is ever wrong."""

    def http_routes(self) -> Sequence[BaseRoute]:
        """Return nothing."""
        return ()

    def titles(self, target: str | None = None) -> list[str]:
        """Return the titles that arrived, at one target or at all, in order."""
        return [said.message.title for said in self.said if target in {None, said.target}]
