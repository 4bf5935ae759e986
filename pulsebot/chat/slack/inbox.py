"""Takes commands from Slack, each once, and sees that they are answered.

Slack wants its acknowledgement within 3 seconds and delivers again what it misses, so the
work is done in a task of its own after it. What a command means is the handler's business.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Self

import structlog
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.web.async_client import AsyncWebClient

from pulsebot.chat.base import Asker, Handler, Incoming
from pulsebot.chat.slack import spoken
from pulsebot.chat.slack.recent import Recent
from pulsebot.chat.slack.redact import log as sdk_log
from pulsebot.chat.slack.replies import Replies
from pulsebot.chat.slack.spoken import Spoken
from pulsebot.chat.slack.zones import Zones

log = structlog.get_logger(__name__)

AT_ONCE = 16
"""Commands worked on at the same time; more of them wait."""
LEAVE_S = 5.0
"""How long leaving waits for answers under way."""


class Inbox:
    """The listeners; an async context manager, whose end waits for answers under way.

    `names` are those of `spoken.slash_names`.
    """

    def __init__(
        self, handler: Handler, zones: Zones, replies: Replies, names: Mapping[str, str]
    ) -> None:
        self._handler = handler
        self._zones = zones
        self._replies = replies
        self.names = names
        self._recent = Recent()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=LEAVE_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def on_command(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """Take a slash command."""
        await ack()
        if self._recent.add(f"command {body.get('trigger_id')}"):
            self._begin(spoken.command(body, self.names))

    async def on_mention(self, body: dict[str, Any]) -> None:
        """Take an app_mention; bolt has acknowledged it already."""
        if self._recent.add(f"event {body.get('event_id')}"):
            self._begin(spoken.mention(body["event"]))

    async def on_message(self, body: dict[str, Any]) -> None:
        """Take a direct message; bolt has acknowledged it already."""
        if self._recent.add(f"event {body.get('event_id')}"):
            self._begin(spoken.direct(body["event"]))

    def _begin(self, said: Spoken | None) -> None:
        if said is None:
            return
        task = asyncio.create_task(self._work(said))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, said: Spoken) -> None:
        async with self._slots:
            try:
                zone = await self._zones.of(said.user)
                asker = Asker("slack", said.user, said.channel, said.name, zone)
                reply = await self._handler(Incoming(asker, said.text))
                if reply:
                    await self._replies.answer(said, reply)
            except Exception:  # the last resort of a task that nobody awaits
                log.exception("a command from Slack was not answered", channel=said.channel)


def listening(inbox: Inbox, client: AsyncWebClient, signing_secret: str) -> AsyncApp:
    """Return the bolt app that hands commands, mentions and direct messages to an inbox.

    The client needs no token.
    """
    app = AsyncApp(
        logger=sdk_log,
        name="pulsebot",
        client=client,
        signing_secret=signing_secret,
        authorize=_authorize,
    )
    for name in inbox.names:
        app.command(f"/{name}")(inbox.on_command)
    app.event("app_mention")(inbox.on_mention)
    app.event("message")(inbox.on_message)
    return app


async def _authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
    """Take every payload: its origin is proven by the signature or the socket.

    Bolt's own way asks Slack before it acknowledges, and fails with Slack.
    """
    return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id)
