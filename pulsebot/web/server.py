"""The web server: `/livez`, `/readyz`, `/metrics`, and the routes that chats bring along.

`/livez` answers while the process works at all; `/readyz` fails with the reasons while the
bot cannot do its job (database, stream, lag). Chats that are out of reach are told but do not
fail it: restarting the bot would not help them.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from pulsebot.address import Address
from pulsebot.chat.base import Chat
from pulsebot.delivery import Delivery
from pulsebot.errors import InvalidInput
from pulsebot.pipeline import Pipeline
from pulsebot.publish.base import Standing
from pulsebot.settings import Web
from pulsebot.store import deadletters, outbox
from pulsebot.store.database import Connection, Database
from pulsebot.web.metrics import Depths, exposition

if TYPE_CHECKING:  # its driver is loaded only where views are published
    from pulsebot.publish.publisher import Publisher

GRACE_S = 2
"""Time that answers under way get at the end; a page that takes nothing must not hold us."""


class Probes:
    """Answers about the health of the running parts."""

    def __init__(
        self,
        database: Database,
        pipeline: Pipeline,
        delivery: Delivery,
        chats: Sequence[Chat],
        publisher: "Publisher | None" = None,
        *,
        settings: Web,
        now_ms: Callable[[], int],
    ) -> None:
        self._database = database
        self._pipeline = pipeline
        self._delivery = delivery
        self._chats = chats
        self._publisher = publisher
        self._settings = settings
        self._now_ms = now_ms

    def routes(self) -> list[BaseRoute]:
        """Return the routes of the probes and of the metrics."""
        return [
            Route("/livez", self.livez),
            Route("/readyz", self.readyz),
            Route("/metrics", self.metrics),
        ]

    async def livez(self, request: Request) -> Response:
        """Answer that the process works."""
        del request
        return PlainTextResponse("ok")

    async def readyz(self, request: Request) -> Response:
        """Answer 200 when the bot can do its job, else 503 with the reasons."""
        del request
        reasons = self.reasons()
        chats = {chat.name: chat.health() or "ok" for chat in self._chats}
        body = {"ready": not reasons, "reasons": reasons, "lag": self._pipeline.lag(),
                "chats": chats, "paused": self._delivery.paused}  # fmt: skip
        if self._publisher is not None:
            body["publish"] = self._publisher.health()
        return JSONResponse(body, 503 if reasons else 200)

    def reasons(self) -> list[str]:
        """Return why the bot cannot do its job, if so."""
        reasons = [self._pipeline.failure] if self._pipeline.failure else []
        if not self._pipeline.answered:
            reasons.append("the stream was not read yet")
        if self._pipeline.lag() > self._settings.ready_lag:
            reasons.append(f"{self._pipeline.lag()} records behind")
        return reasons

    async def metrics(self, request: Request) -> Response:
        """Answer all metrics."""
        del request
        published = await self._publisher.standing() if self._publisher else {}
        depths = await self._database.read(_depths, published)
        body = exposition(self._pipeline, self._delivery, depths, self._now_ms)
        return Response(body, media_type="text/plain; version=0.0.4")


class _Server(uvicorn.Server):
    """A server that leaves the process's signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture nothing."""
        yield


def _depths(connection: Connection, published: Mapping[str, Standing]) -> Depths:
    return Depths(outbox.depth(connection), deadletters.count(connection), published)


@contextlib.asynccontextmanager
async def serving(settings: Web, routes: Sequence[BaseRoute]) -> AsyncIterator[str]:
    """Serve routes while entered; yields the base address, with the port that was taken."""
    listener = _listen(settings.address)
    app = Starlette(routes=list(routes), middleware=[Middleware(GZipMiddleware, compresslevel=4)])
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        proxy_headers=False,  # who calls is who connected; the guard knows of proxies itself
        timeout_graceful_shutdown=GRACE_S,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve([listener]))
    try:
        host, port = listener.getsockname()[:2]
        yield f"http://{Address(host, port)}"
    finally:
        server.should_exit = True
        await task
        listener.close()


def _listen(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    # asyncio switches Nagle's delay (40 ms an answer) off only where TCP is named here.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address.host, address.port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise InvalidInput(
            f"web: {address} cannot be listened on ({error.strerror});"
            " set another web.listen; port 0 takes any free one"
        ) from error
    return listener
