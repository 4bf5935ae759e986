"""The contract of a chat: it translates between messages and one platform; it decides nothing.

A chat renders a Message in the platform's markup within the platform's limits, sends it, and
turns the platform's errors into Retryable or Permanent. Incoming commands go to the handler
that it was given; the handler's answer is the reply. When, whether and how often to send is
delivery's business.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from starlette.routing import BaseRoute

from pulsebot.message import Message


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a message goes: `slack:#crash` is chat `slack`, target `#crash`."""

    chat: str
    target: str

    def __str__(self) -> str:
        return f"{self.chat}:{self.target}" if self.target else self.chat


@dataclass(frozen=True, slots=True)
class Reference:
    """The platform's own handle of a sent message, for edits and threads.

    `target` is where it really went (a channel id where the name was given).
    """

    target: str
    id: str


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: ids are the platform's; `zone` is an IANA name where the platform tells one."""

    chat: str
    user: str
    channel: str
    name: str = ""
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class Incoming:
    """A command as typed, without the leading slash or mention: `triggers svc-a today`."""

    asker: Asker
    text: str


Handler = Callable[[Incoming], Awaitable[Message | None]]
"""Answers a command; None says that nothing is to be answered. Never raises."""


class Chat(Protocol):
    """One platform. An async context manager: entering connects and starts to listen.

    Entering does not wait for the platform to be reachable: an unreachable one is retried in
    the background, and `health` tells of it. Leaving stops listening, then closes, in seconds.
    """

    name: str
    pace_s: float
    """Seconds to leave between two messages to one destination, by the platform's limits."""

    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *exc: object) -> None: ...

    async def send(
        self, target: str, message: Message, *, formatted: bool = True, notification: str = ""
    ) -> Reference:
        """Send a message once; `formatted=False` sends plain text without any markup.

        `notification` names what is sent, the same whenever it is sent again, for platforms
        that can recognise a repetition. Raises Retryable or Permanent, nothing else.
        """

    def health(self) -> str | None:
        """Return what is wrong with the connection, in a few words, or None."""

    def http_routes(self) -> Sequence[BaseRoute]:
        """Return what our web server must serve for the platform to reach us; often nothing."""
