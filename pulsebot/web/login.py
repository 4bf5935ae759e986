"""The login page: the token typed once becomes a cookie.

Its answers never hold the token, nor send anybody to another site.
"""

import hmac
import re
from collections.abc import Callable
from html import escape
from importlib import resources
from string import Template
from urllib.parse import parse_qs

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from pulsebot.settings import Web
from pulsebot.web import session

log = structlog.get_logger(__name__)

PATH = "/login"
MAX_FORM = 8_192
"""Bytes of the form that are read."""

_FILES = resources.files("pulsebot.web") / "pages"
_LOCAL = re.compile(r"/(?!/)[!-\[\]-~]{0,2000}")  # no backslash: browsers take it for a slash


class Login:
    """Answers the page, its style, and the form that it sends."""

    def __init__(self, token: str, now_s: Callable[[], float]) -> None:
        self._token = token
        self._now_s = now_s

    async def page(self, request: Request) -> Response:
        """Ask for the token."""
        return _page(request.query_params.get("next", ""))

    async def style(self, request: Request) -> Response:
        """Answer the page's style."""
        del request
        return Response((_FILES / "login.css").read_text("utf-8"), media_type="text/css")

    async def enter(self, request: Request) -> Response:
        """Take the token; where it is right, go to the page that was wanted."""
        form = await _form(request)
        if form is None:
            return _page("", "That is too long for a token.", 413)
        shown, wanted = form.get("token", ""), form.get("next", "")
        if not hmac.compare_digest(shown.strip().encode(), self._token.encode()):
            log.warning("a login failed", address=request.client and request.client.host)
            return _page(wanted, "That is not the token.", 403)
        answer = RedirectResponse(_local(wanted), 303)
        answer.set_cookie(
            session.COOKIE,
            session.issue(self._token, self._now_s()),
            max_age=session.LASTS_S,
            httponly=True,
            samesite="strict",
            # Whoever makes this up locks out nobody but themselves.
            secure=request.headers.get("x-forwarded-proto", request.scope["scheme"]) == "https",
        )
        return answer


def routes(settings: Web, now_s: Callable[[], float]) -> list[BaseRoute]:
    """Return the routes of the login; none where there is no token."""
    if settings.token is None:
        return []
    login = Login(settings.token.get_secret_value(), now_s)
    return [
        Route(PATH, login.page),
        Route(PATH, login.enter, methods=["POST"]),
        Route(f"{PATH}.css", login.style),
    ]


async def _form(request: Request) -> dict[str, str] | None:
    """Return the fields of a form, the first of each name; None where it is too long."""
    body = b""
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_FORM:
                return None
    except ClientDisconnect:
        return {}
    fields = parse_qs(body.decode("latin-1"), max_num_fields=100)
    return {name: values[0] for name, values in fields.items()}


def _local(wanted: str) -> str:
    """Return the page to go to: one of our own, whatever the address said."""
    return wanted if _LOCAL.fullmatch(wanted) else "/"


def _page(wanted: str, fault: str = "", status: int = 200) -> Response:
    page = Template((_FILES / "login.html").read_text("utf-8"))
    html = page.substitute(next=escape(_local(wanted)), fault=escape(fault))
    return HTMLResponse(html, status)
