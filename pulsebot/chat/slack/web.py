"""Calls Slack's Web API: one session, each call once, errors in our own words.

Trying again belongs to delivery: the SDK's own retries post twice after a reset connection.
"""

from typing import Any
from urllib.parse import urlsplit
from urllib.request import proxy_bypass

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from pulsebot.chat.base import Reference
from pulsebot.chat.slack.errors import translate
from pulsebot.chat.slack.redact import log
from pulsebot.chat.slack.render import blocks, text
from pulsebot.errors import Retryable
from pulsebot.message import Message
from pulsebot.settings import Slack

CONNECT_S = 10
ANSWER_S = 30


def new_session() -> aiohttp.ClientSession:
    """Return a session that opens a connection for each call.

    A kept connection that Slack closes just as we write leaves us in doubt whether a message
    was sent; a fresh one does not.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(force_close=True),
        timeout=aiohttp.ClientTimeout(total=ANSWER_S, connect=CONNECT_S),
    )


def new_client(settings: Slack, session: aiohttp.ClientSession) -> AsyncWebClient:
    """Return a client of the Web API that never retries."""
    client = AsyncWebClient(
        token=settings.bot_token.get_secret_value(),
        base_url=settings.base_url,
        session=session,
        logger=log,
        retry_handlers=[],
    )
    if proxy_bypass(urlsplit(settings.base_url).hostname or ""):
        client.proxy = None  # the SDK minds HTTPS_PROXY, but not NO_PROXY
    return client


def payload(message: Message, *, formatted: bool = True) -> dict[str, Any]:
    """Return a message as arguments of chat.postMessage and of response URLs."""
    quiet = {"unfurl_links": False, "unfurl_media": False}
    if formatted:
        return {"text": text(message), "blocks": blocks(message), **quiet}
    return {"text": text(message), "mrkdwn": False, **quiet}


async def post(
    client: AsyncWebClient, target: str, message: Message, *, formatted: bool, thread: str | None
) -> Reference:
    """Post a message to `#name`, `@name`, `@U0123` or an id; raises Retryable or Permanent."""
    arguments = payload(message, formatted=formatted)
    try:
        answer = await client.chat_postMessage(
            channel=_channel(target),
            thread_ts=thread,
            link_names=False,
            parse="none",
            **arguments,
        )
        channel, ts = answer["channel"], answer["ts"]
    except Exception as error:  # the SDK stumbles in many ways over what is not Slack's answer
        raise translate(error, formatted=formatted) from error
    if not (isinstance(channel, str) and isinstance(ts, str)):
        raise Retryable("Slack's answer lacks the message's id", sent_unknown=True)
    return Reference(channel, ts)


def _channel(target: str) -> str:
    """Slack takes a person's id, but not with the @ that people write before it."""
    person = target.removeprefix("@")
    is_id = person[:1] in {"U", "W"} and person.isalnum() and person.isupper()
    return person if is_id else target
