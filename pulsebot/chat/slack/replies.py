"""Answers commands where they were given: response URL, thread, channel or direct message.

A person waits, so a few quick attempts are made here; what fails then is logged, not kept.
"""

import asyncio

import aiohttp
import structlog
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from pulsebot.chat.slack import web
from pulsebot.chat.slack.errors import refused, translate
from pulsebot.chat.slack.redact import log as sdk_log
from pulsebot.chat.slack.spoken import Spoken
from pulsebot.errors import Permanent, Retryable
from pulsebot.message import Message

log = structlog.get_logger(__name__)

PAUSES_S = (0.5, 2.0, None)
"""After each attempt; a response URL serves five within half an hour."""
LONGEST_PAUSE_S = 30.0
_OK = 200

_PRIVATE = {"warning", "error"}
"""Severities of answers that are only for the one who asked: nobody else needs their typos."""


class Replies:
    """Sends answers through one session."""

    def __init__(self, client: AsyncWebClient, session: aiohttp.ClientSession) -> None:
        self._client = client
        self._session = session

    async def answer(self, spoken: Spoken, message: Message) -> None:
        """Answer; if it cannot be done, log why."""
        formatted, reason = True, ""
        for pause_s in PAUSES_S:
            try:
                await self._answer(spoken, message, formatted=formatted)
            except Permanent as error:
                reason = error.reason
                if not error.unformatted:
                    break
                formatted = False
            except Retryable as error:
                reason = error.reason
                if error.sent_unknown or pause_s is None:
                    break
                await asyncio.sleep(min(error.after or pause_s, LONGEST_PAUSE_S))
            else:
                return
        log.warning("could not answer", channel=spoken.channel, user=spoken.user, why=reason)

    async def _answer(self, spoken: Spoken, message: Message, *, formatted: bool) -> None:
        private = message.severity in _PRIVATE
        if spoken.response_url:
            await self._respond(spoken.response_url, message, private=private, formatted=formatted)
            return
        await web.post(
            self._client,
            spoken.channel,
            message,
            formatted=formatted,
            thread=spoken.thread,
            only_for=spoken.user if private else None,
        )

    async def _respond(self, url: str, message: Message, *, private: bool, formatted: bool) -> None:
        client = AsyncWebhookClient(url, session=self._session, logger=sdk_log, retry_handlers=[])
        client.proxy = self._client.proxy
        body = web.payload(message, formatted=formatted)
        body["response_type"] = "ephemeral" if private else "in_channel"
        try:
            answer = await client.send_dict(body)
        except Exception as error:
            raise translate(error, formatted=formatted) from error
        known = refused(answer.status_code, answer.headers)
        if known:
            raise known
        if answer.status_code != _OK:
            reason = f"Slack refused the answer ({answer.status_code})"
            raise Permanent(reason, unformatted=formatted)
