"""Calls Slack's Web API: one session, each call once, errors in our own words.

Trying again belongs to delivery: the SDK's own retries post twice after a reset connection.
"""

import asyncio
from collections.abc import Callable
from itertools import chain, repeat
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


def without_token(client: AsyncWebClient) -> AsyncWebClient:
    """Return a client for bolt, which calls nothing by itself and warns of unused tokens."""
    return AsyncWebClient(
        base_url=client.base_url, session=client.session, logger=log, retry_handlers=[]
    )


async def watch_token(client: AsyncWebClient, tell: Callable[[str | None], None]) -> None:
    """Tell what is wrong with the bot token, until Slack has once accepted it."""
    for pause_s in chain((1.0, 5.0, 15.0), repeat(60.0)):
        try:
            await client.auth_test()
        except Exception as error:  # noqa: BLE001 - as in `post`
            tell(translate(error).reason)
            await asyncio.sleep(pause_s)
        else:
            tell(None)
            return


def payload(message: Message, *, formatted: bool = True) -> dict[str, Any]:
    """Return a message as arguments of chat.postMessage and of response URLs."""
    quiet = {"unfurl_links": False, "unfurl_media": False}
    if formatted:
        return {"text": text(message), "blocks": blocks(message), **quiet}
    return {"text": text(message), "mrkdwn": False, **quiet}


async def post(
    client: AsyncWebClient,
    target: str,
    message: Message,
    *,
    formatted: bool = True,
    thread: str | None = None,
    only_for: str | None = None,
) -> Reference:
    """Post a message to `#name`, `@name`, `@U0123` or an id; raises Retryable or Permanent.

    `thread` is the `ts` of the thread's first message. `only_for` shows it to one member of a
    channel; direct messages are private anyway.
    """
    arguments = payload(message, formatted=formatted)
    arguments |= {"channel": _channel(target), "link_names": False, "parse": "none"}
    if thread:
        arguments["thread_ts"] = thread
    try:
        if only_for and not target.startswith("D"):
            answer = await client.chat_postEphemeral(user=only_for, **arguments)
            return Reference(target, str(answer["message_ts"]))
        answer = await client.chat_postMessage(**arguments)
        channel, ts = answer["channel"], answer["ts"]
    except Exception as error:  # the SDK stumbles in many ways over what is not Slack's answer
        raise translate(error, target, formatted=formatted) from error
    if not (isinstance(channel, str) and isinstance(ts, str)):
        raise Retryable("Slack's answer lacks the message's id", sent_unknown=True)
    return Reference(channel, ts)


def _channel(target: str) -> str:
    """Slack takes a person's id, but not with the @ that people write before it."""
    person = target.removeprefix("@")
    is_id = person[:1] in {"U", "W"} and person.isalnum() and person.isupper()
    return person if is_id else target
