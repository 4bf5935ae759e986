"""The HTTP probe: asks a health page, and says up, degraded (slow) or down."""

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Annotated, Literal

import aiohttp
from pydantic import Field, HttpUrl, SecretStr

from crawler.origin import clean, moment
from crawler.probes.base import Place, ProbeSection, Report
from pulsebot.event import State

MAX_BODY = 65_536
"""Bytes of the answer in which `expect_text` is looked for."""
_WHY_LENGTH = 300


class HttpSettings(ProbeSection):
    """Watches one health page."""

    type: Literal["http"]
    url: HttpUrl
    interval_s: Annotated[float, Field(gt=0)] = 10
    timeout_s: Annotated[float, Field(gt=0)] = 5
    slow_ms: Annotated[float, Field(gt=0)] | None = None
    """An answer that takes longer than this is `degraded`."""
    expect_status: list[Annotated[int, Field(ge=100, le=599)]] = []  # noqa: RUF012 - pydantic copies
    """Status codes that mean up; empty: 200 to 299. With a 3xx no redirection is followed."""
    expect_text: str | None = None
    """Text that must be in the first 64 KiB of the answer."""
    headers: dict[str, SecretStr] = {}  # noqa: RUF012 - pydantic copies
    ca_file: Path | None = None
    """Certificates to trust instead of the system's."""
    verify_tls: bool = True

    def watched(self) -> str:
        """Return the address, without a password in it."""
        host = f"{self.url.scheme}://{self.url.host}:{self.url.port}"
        return f"http {host}{self.url.path or ''}"


class HttpProbe:
    """Asks one page again and again."""

    def __init__(self, settings: HttpSettings, place: Place) -> None:
        self._settings = settings
        self._origin = place.origin(settings)

    async def probe(self) -> AsyncGenerator[Report, None]:
        """Yield a status each interval, however long an answer takes."""
        settings = self._settings
        timeout = aiohttp.ClientTimeout(total=settings.timeout_s)
        headers = {name: value.get_secret_value() for name, value in settings.headers.items()}
        # A new connection for each look: what is to be seen includes connecting.
        connector = aiohttp.TCPConnector(ssl=self._tls(), force_close=True)
        async with aiohttp.ClientSession(
            timeout=timeout, headers=headers, connector=connector
        ) as session:
            due = time.monotonic()
            while True:
                state, reason = await self._ask(session)
                status = self._origin.status(moment(time.time()), state, reason=reason)
                yield Report((status,))
                due = max(due + settings.interval_s, time.monotonic())
                await asyncio.sleep(due - time.monotonic())

    async def _ask(self, session: aiohttp.ClientSession) -> tuple[State, str]:
        started = time.monotonic()
        try:
            follow = all(code // 100 != 3 for code in self._settings.expect_status)  # noqa: PLR2004 - HTTP's "redirection"
            url = str(self._settings.url)
            async with session.get(url, allow_redirects=follow) as answer:
                body = await _start_of(answer)
        except TimeoutError:
            return State.DOWN, f"no answer within {self._settings.timeout_s:g} s"
        except (aiohttp.ClientSSLError, ssl.SSLError) as error:
            return State.DOWN, f"TLS: {clean(error, _WHY_LENGTH)}"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return State.DOWN, clean(error, _WHY_LENGTH) or type(error).__name__
        return self._judge(answer.status, body, (time.monotonic() - started) * 1000)

    def _judge(self, code: int, body: bytes, took_ms: float) -> tuple[State, str]:
        settings = self._settings
        seen = f"status {code} in {took_ms:.0f} ms"
        expected = code in settings.expect_status if settings.expect_status else code // 100 == 2  # noqa: PLR2004 - HTTP's "success"
        if not expected:
            return State.DOWN, seen
        if settings.expect_text and settings.expect_text.encode() not in body:
            return State.DOWN, f"{seen}, but without the text {settings.expect_text!r}"
        if settings.slow_ms is not None and took_ms > settings.slow_ms:
            return State.DEGRADED, f"slow: {seen}"
        return State.UP, seen

    def _tls(self) -> ssl.SSLContext | bool:
        if not self._settings.verify_tls:
            return False
        if self._settings.ca_file is not None:
            return ssl.create_default_context(cafile=self._settings.ca_file)
        return True


async def _start_of(answer: aiohttp.ClientResponse) -> bytes:
    body = b""
    while len(body) < MAX_BODY and (chunk := await answer.content.read(MAX_BODY - len(body))):
        body += chunk
    return body
