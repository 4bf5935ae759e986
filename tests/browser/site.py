"""A whole bot with its pages, and readers whose browser must keep quiet."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from playwright.async_api import Browser, ConsoleMessage, Page, Request
from pydantic import SecretStr

from pulsebot import app
from pulsebot.app import App
from pulsebot.event import Event, encode
from pulsebot.ruleset import Ruleset
from pulsebot.settings import Settings, Web
from pulsebot.stream.base import Outgoing, Writer
from pulsebot.stream.config import LocalStream
from pulsebot.stream.open import open_writer
from tests.fakes.world import NO_RULES

PATIENCE_MS = 30_000
"""For what must come; a quiet machine needs a second."""


@dataclass
class Site:
    """A running bot; `complaints` gathers what a browser must not do.

    Without slots: the browser's library marks objects whose methods it calls.
    """

    bot: App
    writer: Writer
    browser: Browser
    complaints: list[str] = field(default_factory=list)

    async def tell(self, *events: Event) -> None:
        """Put events into the stream."""
        await self.writer.append(
            [Outgoing(f"pulse.{event.kind}", event.service, encode(event)) for event in events]
        )

    async def consumed(self, records: int) -> None:
        """Wait until so many records are counted."""
        async with asyncio.timeout(PATIENCE_MS / 1000):
            while self.bot.pipeline.intake.totals.records < records:  # noqa: ASYNC110 - the state of another task
                await asyncio.sleep(0.01)

    @asynccontextmanager
    async def reader(
        self, path: str = "/", *, scripts: bool = True, scheme: str = "light", width: int = 1440
    ) -> AsyncIterator[Page]:
        """Open a page in a window of its own; errors and foreign requests become complaints."""
        context = await self.browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if scheme == "dark" else "light",
            java_script_enabled=scripts,
            reduced_motion="reduce",
        )
        context.set_default_timeout(PATIENCE_MS)
        page = await context.new_page()
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        page.on("request", self._asked)
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        try:
            await page.goto(f"{self.bot.address}{path}")
            yield page
        finally:
            await context.close()

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"console: {message.text}")

    def _asked(self, request: Request) -> None:
        address = urlsplit(request.url)
        if f"{address.scheme}://{address.netloc}" != self.bot.address:
            self.complaints.append(f"request to another host: {request.url}")


@asynccontextmanager
async def site(
    folder: Path,
    browser: Browser,
    ruleset: Ruleset = NO_RULES,
    port: int = 0,
    token: str | None = None,
) -> AsyncIterator[Site]:
    """Run a bot in Berlin while entered, on the log of that folder."""
    settings = Settings(
        stream=LocalStream(path=folder / "log.db"),
        database=folder / "bot.db",
        timezone="Europe/Berlin",
        web=Web(listen=f"127.0.0.1:{port}", token=token and SecretStr(token)),
    )
    async with app.opened(settings, ruleset) as bot, open_writer(settings.stream) as writer:
        running = asyncio.create_task(app.run(bot))
        try:
            yield Site(bot, writer, browser)
        finally:
            bot.stop.set()
            await running
