"""Server-sent events from a generator: one connection, as slow as whoever reads it.

Nothing is made before what was made last is taken, so a slow reader costs nothing but its
connection; one that takes nothing at all is cut off.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

import msgspec
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

BEAT_S = 15.0
"""So often something is sent at least, so that both sides notice when the other is gone."""

STUCK_S = 60.0
"""A reader that takes nothing for so long is gone."""

BEAT = b": beat\n\n"


def event(kind: str, data: object, id_: str = "") -> bytes:
    """Return one event; `data` is sent as JSON, in which no line break is left."""
    head = f"id: {id_}\n" if id_ else ""
    return f"{head}event: {kind}\ndata: ".encode() + msgspec.json.encode(data) + b"\n\n"


class EventStream(Response):
    """Sends events until there are no more, the reader leaves, or `closed` is set."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[bytes, None], closed: asyncio.Event) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._events = events
        self._closed = closed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send as long as it lasts."""
        del scope
        tasks = [
            asyncio.create_task(self._send(send)),
            asyncio.create_task(_left(receive)),
            asyncio.create_task(self._closed.wait()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._events.aclose()
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(1):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        coming = asyncio.ensure_future(anext(self._events, b""))
        try:
            while True:
                await asyncio.wait([coming], timeout=BEAT_S)
                if not coming.done():
                    await _put(send, BEAT)
                    continue
                if not (made := coming.result()):
                    return
                await _put(send, made)
                coming = asyncio.ensure_future(anext(self._events, b""))
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)


async def _put(send: Send, body: bytes) -> None:
    message: Message = {"type": "http.response.body", "body": body, "more_body": True}
    async with asyncio.timeout(STUCK_S):
        await send(message)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
