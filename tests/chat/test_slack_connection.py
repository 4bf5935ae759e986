"""Socket Mode's connection: lost, deaf, replaced, refused, and there again."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from pulsebot.chat.slack import SlackChat
from tests.chat.slack_rig import Recorder, settings
from tests.fakes.slack import FakeSlack
from tests.patience import PATIENCE_S


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    """Run a Slack."""
    async with FakeSlack() as server:
        yield server


@pytest.fixture
async def chat(slack: FakeSlack) -> AsyncIterator[SlackChat]:
    """Open a chat that tests its connection often, and wait until it is connected."""
    socket = settings(slack, mode="socket")
    async with SlackChat(socket, Recorder(), ["triggers"], ping_s=0.2) as opened:
        await slack.until(lambda: slack.connected == 1)
        yield opened


async def answers(slack: FakeSlack, word: str) -> None:
    """Wait until a command is answered."""
    await slack.push("slash_commands", slack.slash(f"/triggers {word}"))
    await slack.until(lambda: f"triggers {word}" in [reply["text"] for reply in slack.replies])


async def healthy(chat: SlackChat) -> None:
    """Wait until the chat finds nothing wrong."""
    async with asyncio.timeout(PATIENCE_S):
        while chat.health():  # noqa: ASYNC110 - health is asked, it does not tell
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("trouble", ["hang_up", "go_deaf"])
async def test_a_lost_connection_is_replaced(
    slack: FakeSlack, chat: SlackChat, trouble: str
) -> None:
    """Neither a reset nor a silence that no ping breaks lasts: a new connection is opened."""
    await answers(slack, "before")
    getattr(slack, trouble)()
    await slack.until(lambda: len(slack.sockets) == 2 and slack.connected == 1)
    await answers(slack, "after")
    await healthy(chat)


async def test_slack_may_ask_for_a_new_connection(slack: FakeSlack, chat: SlackChat) -> None:
    """The new one is open before the old one is closed."""
    await healthy(chat)
    await slack.ask_to_reconnect()
    await slack.until(lambda: slack.calls["apps.connections.open"] == 2 and slack.connected == 1)
    await answers(slack, "after")
    assert slack.sockets[0].closed


async def test_a_slack_that_is_away_at_the_start_is_found_later(slack: FakeSlack) -> None:
    """Entering does not wait; health tells; the connection comes in the background."""
    await slack.stop()
    async with SlackChat(settings(slack, mode="socket"), Recorder(), ["triggers"]) as chat:
        assert chat.health()
        async with asyncio.timeout(PATIENCE_S):
            while "cannot be reached" not in str(chat.health()):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.02)
        await slack.start()
        await slack.until(lambda: slack.connected == 1)
        await healthy(chat)
        await answers(slack, "now")


async def test_leaving_a_deaf_connection_ends(slack: FakeSlack) -> None:
    """Nobody answers our goodbye, and we go nevertheless."""
    async with asyncio.timeout(PATIENCE_S):
        async with SlackChat(settings(slack, mode="socket"), Recorder(), ()):
            await slack.until(lambda: slack.connected == 1)
            slack.go_deaf()
    assert not [task for task in asyncio.all_tasks() if "slack_sdk" in repr(task)]


@pytest.mark.parametrize("token", ["app_token", "bot_token"])
async def test_a_refused_token_is_told_and_stays_secret(
    slack: FakeSlack, caplog: pytest.LogCaptureFixture, token: str
) -> None:
    """Health names the setting; neither it nor the log, at its most talkative, the token."""
    caplog.set_level(logging.DEBUG)
    wrong = settings(slack, mode="socket").model_copy(update={token: SecretStr("xoxb-secret-one")})
    async with SlackChat(wrong, Recorder(), ()) as chat:
        async with asyncio.timeout(PATIENCE_S):
            while token not in str(chat.health()):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.02)
    assert "secret-one" not in f"{chat.health()} {caplog.text}"
    assert "fake-ticket" not in caplog.text
