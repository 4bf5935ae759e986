"""Who may see pages and data: one guard before the board and the API, default deny.

Three ways in: from this machine to a loopback listener, as long as neither a token nor a proxy
is set up; the token, shown as a bearer or once at `/login`; the header of a reverse proxy, from
the proxy's address. Probes, metrics and what chats call are not behind it. It must not know
what it guards.
"""

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from pulsebot.address import ip, is_loopback, parse_network
from pulsebot.settings import Web
from pulsebot.web import login, session
from pulsebot.web.headers import Secured
from pulsebot.web.problem import ProblemResponse
from pulsebot.web.routing import Below

API = "/api/"
"""Below this path refusals are told to machines, and nobody is sent to the login page."""

FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
"""Headers of a request that somebody passed on: its sender is not who it came from."""

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

CLOSED = (
    "the pages and the API are closed: this server listens beyond this machine, so set web.token "
    "(or PULSEBOT_WEB__TOKEN), or web.proxy_header and web.proxy_from"
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why somebody may not see: 401 where showing the token helps, else 403."""

    status: int
    reason: str


def closed(settings: Web) -> str | None:
    """Return why nobody at all is let in by these settings, if so."""
    open_ = settings.token or settings.proxy_header or settings.address.loopback
    return None if open_ else CLOSED


def refusal(request: Request, settings: Web, now_s: float) -> Refusal | None:
    """Return why a request is refused; None: it may pass."""
    if request.method not in SAFE and request.headers.get("sec-fetch-site") in {
        "cross-site",
        "same-site",
    }:
        return Refusal(403, "a page of another site sent this; it is not done")
    if reason := closed(settings):
        return Refusal(403, reason)
    if not settings.token and not settings.proxy_header:
        return _from_outside(request, settings)
    if _has_token(request, settings, now_s) or _passed_the_proxy(request, settings):
        return None
    return _unknown(settings)


def _from_outside(request: Request, settings: Web) -> Refusal | None:
    """Refuse whoever is not at this machine, or does not know where they are."""
    peer = request.client.host if request.client else ""
    if not is_loopback(peer):
        return Refusal(403, "only this machine may see this; set web.token for others")
    if any(name in request.headers for name in FORWARDED):
        return Refusal(
            403,
            "this came through a proxy; set web.proxy_header and web.proxy_from, or web.token",
        )
    # A name that was made to point here (DNS rebinding) would let its owner's pages read along.
    host = _host(request.headers.get("host", ""))
    if not is_loopback(host) and host != settings.address.host:
        return Refusal(
            403,
            f"{host[:100]!r} is no name of this machine's own; ask http://{settings.address}, "
            "or set web.token",
        )
    return None


def _host(header: str) -> str:
    """Return the host of a Host header, without port and brackets."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0].lower()


def _has_token(request: Request, settings: Web, now_s: float) -> bool:
    if settings.token is None:
        return False
    token = settings.token.get_secret_value()
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and hmac.compare_digest(shown.strip().encode(), token.encode()):
        return True
    return session.holds(request.cookies.get(session.COOKIE, ""), token, now_s)


def _passed_the_proxy(request: Request, settings: Web) -> bool:
    if settings.proxy_header is None or request.client is None:
        return False
    peer = ip(request.client.host)
    known = peer is not None and any(peer in parse_network(n) for n in settings.proxy_from)
    return known and bool(request.headers.get(settings.proxy_header, "").strip())


def _unknown(settings: Web) -> Refusal:
    if settings.token is None:
        return Refusal(403, "come through the reverse proxy: it says who you are")
    return Refusal(401, "show web.token as `Authorization: Bearer …`, or log in at /login")


class Guard:
    """Lets through to an app whom `refusal` does not refuse."""

    def __init__(self, app: ASGIApp, settings: Web, now_s: Callable[[], float]) -> None:
        self._app = app
        self._settings = settings
        self._now_s = now_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer why not."""
        request = Request(scope)
        refused = refusal(request, self._settings, self._now_s())
        answer = self._app if refused is None else _answer(request, refused)
        await answer(scope, receive, send)


def _answer(request: Request, refused: Refusal) -> Response:
    # Not by `request.url`: it is made of the Host header, which may be anything.
    path, query = request.scope["path"], request.scope["query_string"].decode("latin-1")
    if path.startswith(API):
        answer: Response = ProblemResponse(refused.status, refused.reason)
    elif refused.status == 401 and "text/html" in request.headers.get("accept", ""):  # noqa: PLR2004 - as above
        back = quote(path) + (f"?{query}" if query else "")
        return RedirectResponse(f"{login.PATH}?next={quote(back, safe='')}", 303)
    else:
        answer = PlainTextResponse(f"{refused.reason}\n", refused.status)
    if refused.status == 401:  # noqa: PLR2004 - as above
        answer.headers["www-authenticate"] = 'Bearer realm="pulsebot"'
    return answer


def guarded(
    routes: Sequence[BaseRoute], settings: Web, now_s: Callable[[], float]
) -> list[BaseRoute]:
    """Return what serves these routes behind the guard, and the login page before it.

    It answers every path that no route before it takes: whoever is refused does not learn
    which there are.
    """
    guard = Guard(Router(routes, redirect_slashes=False), settings, now_s)
    pages = [*login.routes(settings, now_s), Below("/", guard)]
    return [Below("/", Secured(ExceptionMiddleware(Router(pages, redirect_slashes=False))))]
