"""Webhooks as a chat: each message is a POST of our own JSON; nothing comes back.

The body, version 1::

    {"version": 1, "id": "the same whenever this is sent again", "title": "svc-a crashed",
     "severity": "critical" or null,
     "parts": [{"type": "text", "text": "…"}, {"type": "fields", "items": [["env", "prod"]]},
               {"type": "table", "header": ["…"], "rows": [["…"]]}, {"type": "code", "text": "…"},
               {"type": "link", "label": "…", "url": "…"}, {"type": "note", "text": "…"}],
     "text": "the whole message as plain text"}

With a `signing_secret`, `X-Pulsebot-Signature: sha256=HEX` is the HMAC-SHA256 of the body's
bytes. Receivers ignore keys that they do not know; a change of meaning raises `version`.
"""

import asyncio
import hashlib
import hmac
import json
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Self

import httpx
import msgspec
from starlette.routing import BaseRoute

from pulsebot.chat.base import Reference
from pulsebot.errors import InvalidInput, Permanent, Retryable
from pulsebot.message import Message, plain
from pulsebot.settings import Webhook

VERSION = 1
REPLY_LIMIT = 1024
"""Bytes of a reply that are looked at, for the reason of a refusal."""

_SHOWN = 200  # characters of them that are repeated
_AGAIN = frozenset({408, 425, 429})
_GATEWAY_TIMEOUT = 504  # who stands behind the gateway may have got it
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


class WebhookChat:
    """All receivers of `webhooks`; a target is the name of one.

    Raises InvalidInput where an address or a header cannot be used.
    """

    name = "webhook"
    pace_s = 0.0

    def __init__(self, settings: Mapping[str, Webhook]) -> None:
        logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs addresses, often secret
        for name, hook in settings.items():
            _check(name, hook)
        self._settings = settings
        self._client = httpx.AsyncClient(follow_redirects=False, headers={"User-Agent": "pulsebot"})

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._client.aclose()

    async def send(
        self, target: str, message: Message, *, formatted: bool = True, notification: str = ""
    ) -> Reference:
        """POST a message once; any 2xx is success. `formatted=False` leaves the parts out."""
        hook = self._settings.get(target)
        if hook is None:
            raise Permanent(f"webhook:{target} is not in the settings: add webhooks.{target}.url")
        body = _body(message, notification, parts=formatted)
        limits = httpx.Timeout(hook.timeout_s, connect=hook.timeout_s / 2)
        request = self._client.build_request(
            "POST",
            hook.url,
            content=body,
            headers=_headers(hook, body, notification),
            timeout=limits,
        )
        try:
            async with asyncio.timeout(hook.timeout_s):
                await self._exchange(target, request)
        except (httpx.HTTPError, TimeoutError) as error:
            raise Retryable(
                f"webhook:{target} cannot be reached ({type(error).__name__})",
                sent_unknown=not isinstance(error, _NOT_SENT),
            ) from error
        return Reference(target, "")

    def health(self) -> str | None:
        """Return None: there is no connection to keep."""
        return None

    def http_routes(self) -> Sequence[BaseRoute]:
        """Return nothing: nobody has to reach us."""
        return ()

    async def _exchange(self, target: str, request: httpx.Request) -> None:
        reply = await self._client.send(request, stream=True)
        try:
            if not reply.is_success:  # of a success not even the body is read
                start = await anext(reply.aiter_bytes(REPLY_LIMIT), b"")
                raise _refusal(target, reply, start.decode(errors="replace")[:_SHOWN])
        finally:
            await reply.aclose()


def _check(name: str, hook: Webhook) -> None:
    try:
        url = httpx.URL(hook.url)
    except httpx.InvalidURL as error:
        raise InvalidInput(f"webhooks.{name}.url is no address ({error})") from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise InvalidInput(f"webhooks.{name}.url must begin with https:// (or http://) and a host")
    for header, value in hook.headers.items():
        if not (header + value.get_secret_value()).isascii():
            raise InvalidInput(f"webhooks.{name}.headers.{header}: only ASCII fits into a header")


def _body(message: Message, notification: str, *, parts: bool) -> bytes:
    content = {
        "version": VERSION,
        "id": notification,
        "title": message.title,
        "severity": message.severity,
        "parts": msgspec.to_builtins(message.parts) if parts else [],
        "text": plain(message),
    }
    return json.dumps(content).encode()


def _headers(hook: Webhook, body: bytes, notification: str) -> dict[str, str]:
    headers = {name: value.get_secret_value() for name, value in hook.headers.items()}
    if notification.isascii() and notification.isprintable():
        headers["Idempotency-Key"] = notification
    headers["Content-Type"] = "application/json"
    if hook.signing_secret:
        secret = hook.signing_secret.get_secret_value().encode()
        digest = hmac.new(secret, body, hashlib.sha256).hexdigest()
        headers["X-Pulsebot-Signature"] = f"sha256={digest}"
    return headers


def _refusal(target: str, reply: httpx.Response, said: str) -> Retryable | Permanent:
    words = f"webhook:{target} answered {reply.status_code}"
    if reply.is_server_error or reply.status_code in _AGAIN:
        after = _seconds(reply.headers.get("Retry-After", ""))
        return Retryable(
            words,
            after=after,
            whole_destination=reply.status_code in {429, 503},
            sent_unknown=reply.status_code == _GATEWAY_TIMEOUT,
        )
    if reply.is_client_error:
        return Permanent(f"{words} ({said})" if said else words)
    return Permanent(
        f"{words}: it is not followed, put the final address into webhooks.{target}.url"
    )


def _seconds(retry_after: str) -> float | None:
    """Read Retry-After: seconds or a date (RFC 9110, 10.2.3); None where it is neither."""
    if retry_after.isdecimal():
        return float(retry_after)
    try:
        until = parsedate_to_datetime(retry_after).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return max(0.0, (until - datetime.now(UTC)).total_seconds())
