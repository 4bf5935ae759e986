"""Keeps a Socket Mode connection to Slack alive, for as long as `run` is not cancelled.

The SDK's client only tells that its connection is lost (closed, silent to pings, replaced by
Slack); the next one is opened here, before the old one is closed. Left to itself the SDK would
try one outdated address for ever. Knows nothing of what comes over the connection.

https://docs.slack.dev/apis/events-api/using-socket-mode
"""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

from slack_bolt.adapter.socket_mode.async_base_handler import AsyncBaseSocketModeHandler
from slack_bolt.adapter.socket_mode.async_internals import run_async_bolt_app, send_async_response
from slack_bolt.async_app import AsyncApp
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from pulsebot.chat.slack.errors import translate
from pulsebot.chat.slack.recent import Recent
from pulsebot.chat.slack.redact import log

PING_S = 5.0
"""A connection that leaves pings unanswered for four times this long is given up."""
OPEN_S = 20.0
CLOSE_S = 2.0
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
SHORT_LIFE_S = 10.0
"""A connection that ends sooner counts as a failure: the next one waits."""


class SocketMode:
    """Opens connections one after the other; `tell` hears what is wrong, or None."""

    def __init__(
        self,
        app: AsyncApp,
        client: AsyncWebClient,
        app_token: str,
        tell: Callable[[str | None], None],
        *,
        ping_s: float = PING_S,
    ) -> None:
        self._app = app
        self._client = client
        self._app_token = app_token
        self._tell = tell
        self._ping_s = ping_s
        self._envelopes = Recent()
        self._current: _Connection | None = None

    async def run(self) -> NoReturn:
        """Stay connected; cancelling closes the connection within seconds."""
        pause_s = FIRST_PAUSE_S
        try:
            while True:
                lived_s = await self._one_life()
                if lived_s < SHORT_LIFE_S:
                    await asyncio.sleep(pause_s * random.uniform(0.5, 1))  # noqa: S311 - spreads load
                    pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                else:
                    pause_s = FIRST_PAUSE_S
        finally:
            await self._replace(None)

    async def _one_life(self) -> float:
        """Connect, and return after how many seconds the connection was lost."""
        loop = asyncio.get_running_loop()
        try:
            fresh = await self._open()
        except Exception as error:  # noqa: BLE001 - the SDK raises many, and all mean the same
            self._tell(f"no Socket Mode connection: {translate(error).reason}")
            await self._replace(None)
            return 0
        since = loop.time()
        await self._replace(fresh)
        self._tell(None)
        await fresh.lost.wait()
        self._tell("the Socket Mode connection was lost, opening another")
        return loop.time() - since

    async def _open(self) -> "_Connection":
        """Return a connection on which Slack has said hello: others may be deaf."""
        connection = _Connection(self._app, self._client, self._envelopes, self._ping_s)
        try:
            async with asyncio.timeout(OPEN_S):
                answer = await self._client.apps_connections_open(app_token=self._app_token)
                connection.client.wss_uri = answer["url"]
                await connection.connect_async()  # type: ignore[no-untyped-call] # the SDK has no types here
                await connection.hello.wait()
        except BaseException:
            await connection.close()
            raise
        return connection

    async def _replace(self, fresh: "_Connection | None") -> None:
        old, self._current = self._current, fresh
        if old:
            await old.close()


class _Client(SocketModeClient):
    """Says that the connection is lost where the SDK's own would reconnect."""

    lost: asyncio.Event

    async def connect_to_new_endpoint(self, force: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - as the SDK calls it
        self.lost.set()


class _Connection(AsyncBaseSocketModeHandler):
    """One WebSocket, and the bolt app that its envelopes go to."""

    client: _Client

    def __init__(
        self, app: AsyncApp, client: AsyncWebClient, envelopes: Recent, ping_s: float
    ) -> None:
        self.app: AsyncApp = app
        self.hello = asyncio.Event()
        self.lost = asyncio.Event()
        self._envelopes = envelopes
        self.client = _Client("", logger=log, web_client=client, ping_interval=ping_s)
        self.client.lost = self.lost
        self.client.proxy = client.proxy
        self.client.message_listeners.append(self._hear)
        self.client.socket_mode_request_listeners.append(self.handle)

    async def _hear(self, _: object, message: dict[str, Any], __: str | None) -> None:
        if message.get("type") == "hello":
            self.hello.set()

    async def handle(self, client: AsyncBaseSocketModeClient, req: SocketModeRequest) -> None:
        """Hand an envelope to bolt, and acknowledge it; only that, when it comes again."""
        if not self._envelopes.add(req.envelope_id):
            again = SocketModeResponse(envelope_id=req.envelope_id)
            await client.send_socket_mode_response(again)
            return
        started = asyncio.get_running_loop().time()
        answer = await run_async_bolt_app(self.app, req)
        await send_async_response(client, req, answer, started)

    async def close(self) -> None:
        """Close within seconds, even where nobody answers the goodbye."""
        client = self.client
        try:
            with suppress(Exception):  # it may be broken in any way; what matters comes below
                async with asyncio.timeout(CLOSE_S):
                    await client.close()  # type: ignore[no-untyped-call] # as above
        finally:
            await client.aiohttp_client_session.close()
            await _end(client.message_processor)
            await _end(client.message_receiver)
            await _end(client.current_session_monitor)


async def _end(task: asyncio.Future[Any] | None) -> None:
    if task:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
