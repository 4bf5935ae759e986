"""Server-sent events: one connection of one page, from a topic.

It sends what the page lacks, at the topic's pace, and a beat while there is nothing. A page
that does not take what it is sent is cut off; nobody waits for it.
"""

import asyncio
from contextlib import suppress

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from pulsebot.web.board.topic import Topic

BEAT_S = 5.0
"""So often a page hears from us at least; the page's script waits 2 to 3 times that."""

STUCK_S = 20.0
"""A page that does not take an event within this is gone."""

_HEADERS = {
    "cache-control": "no-store",
    "x-accel-buffering": "no",  # nginx would hold events back
}
BEAT = b"event: beat\ndata:\n\n"


class Live(Response):
    """Streams a topic to one page until either side ends."""

    media_type = "text/event-stream"

    def __init__(self, topic: Topic, mark: str, closed: asyncio.Event) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]
        self._topic = topic
        self._mark = mark
        self._closed = closed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the page leaves, is stuck, or the bot stops."""
        del scope
        sending = asyncio.create_task(self._send(send))
        leaving = asyncio.create_task(_left(receive))
        closing = asyncio.create_task(self._closed.wait())
        tasks = (sending, leaving, closing)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if closing.done() and not closing.cancelled():
            await self._bid_farewell(send)

    async def _send(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        have = self._topic.version_of(self._mark)
        with self._topic.watching() as news:
            await _put(send, BEAT if have == self._topic.version else self._topic.frame(have))
            have = self._topic.version
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(BEAT_S):
                        await news.wait()
                news.clear()
                version = self._topic.version
                await _put(send, BEAT if version == have else self._topic.frame(have))
                have = version

    async def _bid_farewell(self, send: Send) -> None:
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(1):
                await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _put(send: Send, event: bytes) -> None:
    message: Message = {"type": "http.response.body", "body": event, "more_body": True}
    async with asyncio.timeout(STUCK_S):
        await send(message)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
