"""Pages that are slow, dead, too many, or still there when the bot stops."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from pulsebot import app
from pulsebot import event as events
from pulsebot.event import MessageData, encode
from pulsebot.settings import Settings, Web
from pulsebot.stream.base import Outgoing
from pulsebot.stream.config import LocalStream
from pulsebot.stream.open import open_writer
from pulsebot.web.board import live, pages
from tests.fakes.world import NO_RULES
from tests.patience import PATIENCE_S


async def deaf(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect a page that asks for events and never reads them."""
    parts = urlsplit(address)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=1)
    writer.write(b"GET /live?page=services HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await writer.drain()
    return reader, writer


async def test_deaf_pages_hold_nobody_and_the_bot_still_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While 20 pages take nothing, another page hears everything; then the bot ends at once."""
    monkeypatch.setattr(live, "STUCK_S", 0.5)
    settings = Settings(
        stream=LocalStream(path=tmp_path / "log.db"),
        database=tmp_path / "bot.db",
        web=Web(listen="127.0.0.1:0"),
    )
    async with AsyncExitStack() as stack:
        writer = await stack.enter_async_context(open_writer(settings.stream))
        async with app.opened(settings, NO_RULES) as opened:
            running = asyncio.create_task(app.run(opened))
            address = opened.address or ""
            for _ in range(20):
                _, sending = await deaf(address)
                stack.callback(sending.close)
            client = await stack.enter_async_context(
                httpx.AsyncClient(base_url=address, trust_env=False, timeout=PATIENCE_S)
            )
            async with (
                asyncio.timeout(PATIENCE_S),
                client.stream("GET", "/live?page=services") as page,
            ):
                lines = page.aiter_lines()
                for number in range(3):
                    now, text = datetime.now(UTC), f"{number} {'x' * 150}"
                    told = [
                        events.message(f"s{n}", now, MessageData(text=text)) for n in range(300)
                    ]
                    told_ = [Outgoing("pulse.message", e.service, encode(e)) for e in told]
                    await writer.append(told_)
                    async for line in lines:
                        if f">{number} xxx" in line or '"reload":true' in line:
                            break
            opened.stop.set()
            async with asyncio.timeout(PATIENCE_S):
                await running


async def test_a_page_too_many_is_asked_to_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections are bounded, and one that ended makes room."""
    monkeypatch.setattr(pages, "MAX_PAGES", 1)
    settings = Settings(
        stream=LocalStream(path=tmp_path / "log.db"),
        database=tmp_path / "bot.db",
        web=Web(listen="127.0.0.1:0"),
    )
    async with (
        app.opened(settings, NO_RULES) as opened,
        httpx.AsyncClient(base_url=opened.address or "", trust_env=False) as client,
    ):
        async with client.stream("GET", "/live?page=services") as first:
            assert first.headers["content-type"].startswith("text/event-stream")
            await anext(first.aiter_lines())
            second = await client.get("/live?page=services")
            assert (second.status_code, second.headers["retry-after"]) == (503, "30")
        async with asyncio.timeout(PATIENCE_S):
            while True:
                async with client.stream("GET", "/live?page=services") as third:
                    if third.status_code == 200:
                        break
        assert (await client.get("/live?page=nothing")).status_code == 404


async def test_the_first_page_is_compressed_and_everything_is_shipped(tmp_path: Path) -> None:
    """Pages are small on the wire; style and scripts come from the package, to be kept by name."""
    settings = Settings(
        stream=LocalStream(path=tmp_path / "log.db"),
        database=tmp_path / "bot.db",
        web=Web(listen="127.0.0.1:0"),
    )
    async with (
        app.opened(settings, NO_RULES) as opened,
        httpx.AsyncClient(base_url=opened.address or "", trust_env=False) as client,
    ):
        page = await client.get("/")
        assert page.headers["content-encoding"] == "gzip"
        for name in ("board.css", "board.js", "live.js", "roster.js", "icon.svg"):
            assert (await client.get(f"/static/{name}")).status_code == 200
        assert (await client.get("/static/../pages.py")).status_code == 404
