"""A receiver of webhooks on loopback: keeps what it got, answers as told."""

import asyncio
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from aiohttp import web

from tests.patience import PATIENCE_S


@dataclass(frozen=True, slots=True)
class Reply:
    """How one request is answered."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    drop: Literal["", "before", "after"] = ""
    delay_s: float = 0


@dataclass(frozen=True, slots=True)
class Received:
    """One accepted request."""

    headers: dict[str, str]
    raw: bytes

    @property
    def content(self) -> dict[str, Any]:
        """The JSON of the body."""
        return json.loads(self.raw)  # type: ignore[no-any-return]


class FakeReceiver:
    """The server; an async context manager. `replies` are used up in order, then 200."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.replies: deque[Reply] = deque()
        self._changed = asyncio.Condition()
        app = web.Application()
        app.router.add_post("/hook", self._called)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)

    @property
    def url(self) -> str:
        """The address to POST to."""
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}/hook"

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._runner.cleanup()

    async def until(self, condition: Callable[[Self], bool], timeout_s: float = PATIENCE_S) -> None:
        """Wait until a condition over this server holds."""
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(lambda: condition(self))

    async def _called(self, request: web.Request) -> web.Response:
        reply = self.replies.popleft() if self.replies else Reply()
        received = Received(dict(request.headers), await request.read())
        await asyncio.sleep(reply.delay_s)
        if reply.status < 300 and reply.drop != "before":
            self.received.append(received)
            async with self._changed:
                self._changed.notify_all()
        if reply.drop and request.transport:
            request.transport.abort()
        return web.Response(status=reply.status, headers=reply.headers, body=reply.body)
