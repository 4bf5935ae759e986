"""The Slack chat: its lifetime, sending and health.

Rendering, errors, listening and what is listened for are the neighbouring modules' business.
"""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Self

from slack_sdk.web.async_client import AsyncWebClient
from starlette.routing import BaseRoute

from pulsebot.chat.base import Handler, Reference
from pulsebot.chat.slack.web import new_client, new_session, post
from pulsebot.errors import Retryable
from pulsebot.message import Message
from pulsebot.settings import Slack


class SlackChat:
    """One workspace. `command_names` are the slash commands without slash and prefix."""

    name = "slack"
    pace_s = 1.0
    """https://docs.slack.dev/apis/web-api/rate-limits: one message a second and channel."""

    def __init__(self, settings: Slack, handler: Handler, command_names: Sequence[str]) -> None:
        self._settings = settings
        self._handler = handler
        self._command_names = tuple(command_names)
        self._client: AsyncWebClient | None = None
        self._lifetime = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(new_session())
            self._client = new_client(self._settings, session)
            self._lifetime = stack.pop_all()
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._client = None
        await self._lifetime.aclose()

    async def send(self, target: str, message: Message, *, formatted: bool = True) -> Reference:
        """Post a message to `#name`, `C0123`, `@U0123` or `@name`.

        The reference holds the channel's id and the message's `ts`. Raises Retryable or
        Permanent, nothing else.
        """
        if self._client is None:
            raise Retryable("the Slack chat is not open")
        return await post(self._client, target, message, formatted=formatted, thread=None)

    def health(self) -> str | None:
        """Return what is wrong with the connection, in a few words, or None."""
        return None if self._client else "not open"

    def http_routes(self) -> Sequence[BaseRoute]:
        """Return nothing: nobody has to reach us."""
        return ()
