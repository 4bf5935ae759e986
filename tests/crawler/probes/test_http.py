import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from crawler.probes.base import Place
from crawler.probes.http import HttpProbe, HttpSettings
from pulsebot.event import State


class Page:
    """A health page on loopback whose answer can be chosen."""

    def __init__(self) -> None:
        self.status = 200
        self.text = '{"status": "ok"}'
        self.delay_s = 0.0
        self.url = ""
        self.seen_headers: dict[str, str] = {}

    async def answer(self, request: web.Request) -> web.Response:
        """Answer as chosen."""
        self.seen_headers = dict(request.headers)
        await asyncio.sleep(self.delay_s)
        elsewhere = {"Location": "/elsewhere"} if self.status == 302 else {}
        return web.Response(status=self.status, text=self.text, headers=elsewhere)

    async def torn(self, request: web.Request) -> web.StreamResponse:
        """Answer with less than was promised, and hang up."""
        answer = web.StreamResponse(headers={"Content-Length": "1000"})
        await answer.prepare(request)
        await answer.write(self.text.encode())
        request.transport.close()
        return answer


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    """Return a running page."""
    page = Page()
    app = web.Application()
    app.router.add_get("/health", page.answer)
    app.router.add_get("/torn", page.torn)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    page.url = f"http://127.0.0.1:{port}/health"
    yield page
    await runner.cleanup()


async def _look(url: str, **more: Any) -> tuple[State, str]:
    settings = HttpSettings.model_validate({"type": "http", "url": url, "timeout_s": 0.5, **more})
    reports = HttpProbe(settings, Place("svc-a", "host-1", {})).probe()
    report = await anext(reports)
    await reports.aclose()
    (event,) = report.events
    return event.data.state, event.data.reason


async def test_up_with_status_and_latency(page: Page) -> None:
    """A good answer is up, and says how long it took."""
    state, reason = await _look(page.url, headers={"X-Key": "k"})
    assert state is State.UP
    assert reason.startswith("status 200 in ")
    assert page.seen_headers["X-Key"] == "k"


async def test_an_unexpected_status_is_down(page: Page) -> None:
    """Only expected status codes are up."""
    page.status = 503
    assert (await _look(page.url))[0] is State.DOWN
    assert (await _look(page.url, expect_status=[503]))[0] is State.UP


async def test_a_redirection_is_followed_unless_it_is_expected(page: Page) -> None:
    """Where it leads to decides; a 3xx among the expected codes means the redirection itself."""
    page.status = 302
    state, reason = await _look(page.url)
    assert (state, reason[:10]) == (State.DOWN, "status 404")
    state, reason = await _look(page.url, expect_status=[302])
    assert (state, reason[:10]) == (State.UP, "status 302")


async def test_an_answer_that_breaks_off_is_down(page: Page) -> None:
    """A good status alone is not enough."""
    state, reason = await _look(page.url.replace("/health", "/torn"))
    assert state is State.DOWN
    assert "payload" in reason


async def test_a_missing_text_is_down(page: Page) -> None:
    """The page must say what is expected of it."""
    assert (await _look(page.url, expect_text='"ok"'))[0] is State.UP
    state, reason = await _look(page.url, expect_text="all good")
    assert state is State.DOWN
    assert reason.endswith("but without the text 'all good'")


async def test_slow_is_degraded_and_too_slow_is_down(page: Page) -> None:
    """Slower than slow_ms is degraded; no answer in time is down."""
    page.delay_s = 0.1
    state, reason = await _look(page.url, slow_ms=50)
    assert state is State.DEGRADED
    assert reason.startswith("slow: ")
    page.delay_s = 2
    assert await _look(page.url) == (State.DOWN, "no answer within 0.5 s")


async def test_nobody_there_and_no_tls_are_down_with_a_reason(page: Page) -> None:
    """A refused connection and a failed handshake are told apart."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        state, reason = await _look(f"http://127.0.0.1:{free.getsockname()[1]}/")
    assert state is State.DOWN
    assert "onnect" in reason
    state, reason = await _look(page.url.replace("http:", "https:"))
    assert state is State.DOWN
    assert reason.startswith("TLS: ")


async def test_a_look_each_interval(page: Page) -> None:
    """Looks keep their pace."""
    settings = HttpSettings.model_validate({"type": "http", "url": page.url, "interval_s": 0.05})
    reports = HttpProbe(settings, Place("svc-a", "host-1", {})).probe()
    started = asyncio.get_running_loop().time()
    for _ in range(4):
        await anext(reports)
    await reports.aclose()
    assert 0.15 <= asyncio.get_running_loop().time() - started < 2
