"""The Slack chat: its lifetime, sending and health.

Rendering, errors, listening and what is listened for are the neighbouring modules' business.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import Any, Self

from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pulsebot.chat.base import Handler, Reference
from pulsebot.chat.slack import endpoint, web
from pulsebot.chat.slack.inbox import Inbox, listening
from pulsebot.chat.slack.replies import Replies
from pulsebot.chat.slack.socketmode import PING_S, SocketMode
from pulsebot.chat.slack.spoken import slash_names
from pulsebot.chat.slack.zones import Zones
from pulsebot.errors import InvalidInput, Retryable
from pulsebot.message import Message
from pulsebot.settings import Slack


class SlackChat:
    """One workspace. `command_names` are the slash commands without slash and prefix.

    Raises InvalidInput where the settings lack what their mode needs. `ping_s` is the interval
    in which a Socket Mode connection is tested.
    """

    name = "slack"
    pace_s = 1.0
    """https://docs.slack.dev/apis/web-api/rate-limits: one message a second and channel."""

    def __init__(
        self,
        settings: Slack,
        handler: Handler,
        command_names: Sequence[str],
        *,
        ping_s: float = PING_S,
    ) -> None:
        _check(settings)
        self._settings = settings
        self._handler = handler
        self._names = slash_names(command_names, settings.command_prefix)
        self._ping_s = ping_s
        self._client: AsyncWebClient | None = None
        self._app: AsyncApp | None = None
        self._problems: dict[str, str | None] = {}
        self._lifetime = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(web.new_session())
            client = web.new_client(self._settings, session)
            replies = Replies(client, session)
            inbox = Inbox(self._handler, Zones(client), replies, self._names)
            await stack.enter_async_context(inbox)
            secret = self._settings.signing_secret
            signing_secret = secret.get_secret_value() if secret else ""
            app = listening(inbox, web.without_token(client), signing_secret)
            for task in self._background(app, client):
                stack.push_async_callback(_finish, asyncio.create_task(task))
            self._client, self._app = client, app
            self._lifetime = stack.pop_all()
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._app = None
        await self._lifetime.aclose()
        self._client = None

    async def send(
        self, target: str, message: Message, *, formatted: bool = True, notification: str = ""
    ) -> Reference:
        """Post a message to `#name`, `C0123`, `@U0123` or `@name`.

        The reference holds the channel's id and the message's `ts`. Raises Retryable or
        Permanent, nothing else.
        """
        del notification  # nothing here recognises a repetition
        if self._client is None:
            raise Retryable("the Slack chat is not open")
        return await web.post(self._client, target, message, formatted=formatted)

    def health(self) -> str | None:
        """Return what is wrong with the connection, in a few words, or None."""
        return next(filter(None, self._problems.values()), None)

    def http_routes(self) -> list[Route]:
        """Return the routes that Slack calls in HTTP mode; none in Socket Mode."""
        if self._settings.mode == "socket":
            return []
        return [Route(endpoint.PATH, self._receive, methods=["POST"])]

    async def _receive(self, request: Request) -> Response:
        if self._app is None:
            return PlainTextResponse("not open", 503)
        return await endpoint.receive(self._app, request)

    def _background(self, app: AsyncApp, client: AsyncWebClient) -> list[Coroutine[Any, Any, None]]:
        tasks = [web.watch_token(client, self._teller("token", "not yet connected"))]
        token = self._settings.app_token
        if self._settings.mode == "socket" and token:
            tell = self._teller("socket", "not yet connected")
            socket = SocketMode(app, client, token.get_secret_value(), tell, ping_s=self._ping_s)
            tasks.append(socket.run())
        return tasks

    def _teller(self, part: str, problem: str) -> Callable[[str | None], None]:
        self._problems[part] = problem
        return partial(self._problems.__setitem__, part)


def _check(settings: Slack) -> None:
    if settings.mode == "socket" and not settings.app_token:
        raise InvalidInput(
            "slack: Socket Mode needs app_token, an app-level token (xapp-…) with the scope"
            " connections:write from the app's Basic Information; or set mode: http"
        )
    if settings.mode == "http" and not settings.signing_secret:
        raise InvalidInput("slack: mode http needs signing_secret from the app's Basic Information")


async def _finish(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
