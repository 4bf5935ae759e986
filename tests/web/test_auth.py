"""Who may see the pages and the API, asked over real connections."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pulsebot.settings import Web
from pulsebot.web import session
from pulsebot.web.auth import guarded
from pulsebot.web.server import serving
from tests.patience import PATIENCE_S

TOKEN = "a-token-that-nobody-guesses"  # noqa: S105 - a made-up one
NOW_S = 1_700_000_000.0
BROWSER = {"accept": "text/html,*/*;q=0.8"}
ANYWHERE = "0.0.0.0:0"  # with a token or refused to all; the tests call it at 127.0.0.1


async def _secret(request: Request) -> Response:
    del request
    return PlainTextResponse("secret")


@contextlib.asynccontextmanager
async def served(now_s: float = NOW_S, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Serve one guarded page, at `/page` and `/api/v1/page`; give a client to ask it with."""
    web = Web(**{"listen": "127.0.0.1:0", **settings})
    routes = [Route("/page", _secret, methods=["GET", "POST"]), Route("/api/v1/page", _secret)]
    open_ = [Route("/livez", _secret)]
    async with serving(web, [*open_, *guarded(routes, web, lambda: now_s)]) as address:
        here = address.replace("0.0.0.0", "127.0.0.1")  # noqa: S104 - as above
        async with httpx.AsyncClient(base_url=here, trust_env=False) as client:
            yield client


async def test_this_machine_sees_all_while_nothing_is_set_up() -> None:
    """A loopback listener without a token answers whoever sits here."""
    async with served() as client:
        assert (await client.get("/page")).text == "secret"
        assert (await client.get("/page", headers={"host": "localhost:8080"})).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "["])
async def test_a_name_made_to_point_here_is_refused(host: str) -> None:
    """DNS rebinding: a foreign name in the Host header shows a foreign page's request."""
    async with served() as client:
        for path in ("/page", "/api/v1/page", "/nothing"):
            answer = await client.get(path, headers={"host": host})
            assert answer.status_code == 403
            assert "no name of this machine" in answer.text


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"])
async def test_what_a_proxy_passes_on_is_not_from_this_machine(header: str) -> None:
    """A proxy beside the bot does not open it to the world by accident."""
    async with served() as client:
        answer = await client.get("/page", headers={header: "127.0.0.1"})
        assert answer.status_code == 403
        assert "set web.proxy_header" in answer.text


async def test_beyond_this_machine_nobody_sees_anything_without_a_token() -> None:
    """Listening everywhere with nothing set up is refused with the mend; probes still answer."""
    async with served(listen=ANYWHERE) as client:
        for path in ("/page", "/login", "/nothing"):
            answer = await client.get(path)
            assert answer.status_code == 403
            assert "set web.token" in answer.text
        told = await client.get("/api/v1/page")
        assert told.headers["content-type"] == "application/problem+json"
        assert told.json()["status"] == 403
        assert (await client.get("/livez")).text == "secret"


@pytest.mark.parametrize("listen", ["127.0.0.1:0", ANYWHERE])
async def test_the_token_opens_and_only_the_token(listen: str) -> None:
    """Once a token is set everybody shows it, at this machine too; 401 says how."""
    async with served(listen=listen, token=TOKEN) as client:
        shown = await client.get("/page", headers={"authorization": f"bearer {TOKEN}"})
        assert shown.text == "secret"
        for wrong in (f"Bearer {TOKEN}x", "Bearer", f"Basic {TOKEN}", TOKEN, "Bearer \xff"):
            refused = await client.get("/api/v1/page", headers={"authorization": wrong.encode()})
            assert refused.status_code == 401
            assert refused.headers["www-authenticate"].startswith("Bearer")
            assert "Authorization: Bearer" in refused.json()["detail"]
        assert (await client.get("/page?x=1")).status_code == 401


async def test_a_browser_logs_in_once() -> None:
    """It is sent to the form, and by the right token back to where it was; the cookie stays."""
    async with served(token=TOKEN) as client:
        sent = await client.get("/page?a=1&b=%2F", headers=BROWSER)
        assert sent.status_code == 303
        form = await client.get(sent.headers["location"])
        assert 'value="/page?a=1&amp;b=%2F"' in form.text
        assert (await client.get("/login.css")).headers["content-type"].startswith("text/css")
        wrong = await client.post("/login", data={"token": "no", "next": "/page"})
        assert wrong.status_code == 403
        assert "That is not the token" in wrong.text
        assert not wrong.cookies
        right = await client.post("/login", data={"token": f" {TOKEN} ", "next": "/page?a=1"})
        assert (right.status_code, right.headers["location"]) == (303, "/page?a=1")
        cookie = right.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert "Secure" not in cookie
        assert TOKEN not in cookie
        assert (await client.get("/page")).text == "secret"
        shielded = {"x-forwarded-proto": "https"}
        right = await client.post("/login", data={"token": TOKEN}, headers=shielded)
        assert "Secure" in right.headers["set-cookie"]


@pytest.mark.parametrize(
    "wanted",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "/\t/evil", "", '/"><b>'],
)
async def test_a_login_leads_to_no_other_site(wanted: str) -> None:
    """Whatever the address of the form says, it goes on to a page of ours, and is escaped."""
    async with served(token=TOKEN) as client:
        answer = await client.post("/login", data={"token": TOKEN, "next": wanted})
        location = answer.headers["location"]
        assert location == "/" or (wanted.startswith('/"') and location.startswith("/%22"))
        form = await client.get("/login", params={"next": wanted})
        assert "<b>" not in form.text


def test_a_session_ends_by_time_and_with_its_token() -> None:
    """A cookie is good for two weeks, for the token it was made with, and cannot be made up."""
    cookie = session.issue(TOKEN, NOW_S)
    assert session.holds(cookie, TOKEN, NOW_S + session.LASTS_S - 1)
    assert not session.holds(cookie, TOKEN, NOW_S + session.LASTS_S)
    assert not session.holds(cookie, f"{TOKEN}2", NOW_S)
    ends, _, signature = cookie.partition(".")
    for forged in (f"{int(ends) + 1}.{signature}", f"{ends}.", "", ".", TOKEN, cookie[:-1] + "é"):
        assert not session.holds(forged, TOKEN, NOW_S)


async def test_a_form_that_does_not_end_is_cut_off() -> None:
    """Nobody fills the bot's memory by the login form."""
    async with served(token=TOKEN) as client:
        answer = await client.post("/login", content=b"token=" + b"x" * 20_000)
        assert answer.status_code == 413


async def test_the_proxy_names_the_user() -> None:
    """Its header opens from its address alone, and everybody has to come through it."""
    through = {"x-user": "ann", "x-forwarded-for": "203.0.113.9"}
    async with served(proxy_header="X-User", proxy_from=["127.0.0.0/8"]) as client:
        assert (await client.get("/page", headers=through)).text == "secret"
        for nobody in ({}, {"x-user": ""}):
            refused = await client.get("/page", headers=nobody)
            assert refused.status_code == 403
            assert "reverse proxy" in refused.text
    async with served(proxy_header="X-User", proxy_from=["10.0.0.0/8"]) as client:
        assert (await client.get("/page", headers=through)).status_code == 403


async def test_every_answer_tells_the_browser_what_not_to_do() -> None:
    """Pages, refusals and the login page carry the policy; nothing is kept by a cache."""
    async with served(token=TOKEN) as client:
        shown = {"authorization": f"Bearer {TOKEN}"}
        for answer in (
            await client.get("/page", headers=shown),
            await client.get("/page"),
            await client.get("/login"),
            await client.get("/api/v1/nothing", headers=shown),
        ):
            policy = answer.headers["content-security-policy"]
            assert policy.startswith("default-src 'none'")
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert answer.headers["cache-control"] == "no-store"


async def test_no_other_site_sends_a_form() -> None:
    """What a foreign page posts to us is refused, whoever sits before it."""
    async with served() as client:
        foreign = {"sec-fetch-site": "cross-site"}
        assert (await client.post("/page", headers=foreign)).status_code == 403
        own = {"sec-fetch-site": "same-origin"}
        assert (await client.post("/page", headers=own)).text == "secret"


async def test_an_ipv6_listener_is_told_with_brackets() -> None:
    """The address of a server can be asked as it stands."""
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            assert Web(listen="[::1]:0").address.loopback  # no IPv6 here: all that can be said
            return
    async with served(listen="[::1]:0") as client, asyncio.timeout(PATIENCE_S):
        assert "[::1]" in str(client.base_url)
        assert (await client.get("/page")).text == "secret"
