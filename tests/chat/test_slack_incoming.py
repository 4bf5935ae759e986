"""Commands from Slack, over a real WebSocket and over signed HTTP."""

import asyncio
import io
import logging
from collections.abc import AsyncIterator

import aiohttp
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette

from pulsebot.chat.base import Asker, Incoming
from pulsebot.chat.slack import SlackChat
from pulsebot.errors import InvalidInput
from pulsebot.message import Message
from pulsebot.settings import Slack
from tests.chat.serving import serving
from tests.chat.slack_rig import Recorder, settings
from tests.fakes.slack import FakeSlack

KIM = Asker("slack", "U1", "C0123", "kim", "Europe/Berlin")


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    """Run a Slack."""
    async with FakeSlack() as server:
        yield server


@pytest.fixture
def handler() -> Recorder:
    """Return a handler that answers with what it was asked."""
    return Recorder()


@pytest.fixture
async def chat(slack: FakeSlack, handler: Recorder) -> AsyncIterator[SlackChat]:
    """Open a chat in Socket Mode, and wait until it is connected."""
    names = ["triggers", "status"]
    async with SlackChat(settings(slack, mode="socket"), handler, names) as opened:
        await slack.until(lambda: slack.connected == 1)
        yield opened


@pytest.fixture
async def endpoint(slack: FakeSlack, handler: Recorder) -> AsyncIterator[str]:
    """Open a chat in HTTP mode behind a web server; yields where Slack posts to."""
    async with (
        SlackChat(settings(slack), handler, ["triggers"]) as opened,
        serving(Starlette(routes=opened.http_routes())) as address,
    ):
        yield f"{address}/slack/events"


@pytest.mark.usefixtures("chat")
@pytest.mark.parametrize(
    "typed", ["/triggers svc-a today", "/pulsebot triggers svc-a today"], ids=["own", "pulsebot"]
)
async def test_a_slash_command_is_acknowledged_and_answered_in_the_channel(
    slack: FakeSlack, handler: Recorder, typed: str
) -> None:
    """The answer goes to the response URL, visible to all; the asker comes with their zone."""
    envelope = await slack.push("slash_commands", slack.slash(typed))
    await slack.until(lambda: bool(slack.replies and slack.acks))
    assert slack.acks == [envelope]
    assert handler.asked == [Incoming(KIM, "triggers svc-a today")]
    assert slack.replies[0]["response_type"] == "in_channel"
    assert slack.replies[0]["text"] == "triggers svc-a today"
    assert slack.replies[0]["blocks"]


@pytest.mark.usefixtures("chat")
async def test_an_answer_about_a_mistake_is_for_the_asker_alone(
    slack: FakeSlack, handler: Recorder
) -> None:
    """Nobody else in the channel sees it, neither after a command nor after a mention."""
    handler.severity = "warning"
    await slack.push("slash_commands", slack.slash("/triggers nonesuch"))
    await slack.until(lambda: bool(slack.replies))
    assert slack.replies[0]["response_type"] == "ephemeral"
    await slack.push("events_api", slack.event("app_mention", "<@U0BOT> nonesuch"))
    await slack.until(lambda: bool(slack.messages))
    assert slack.calls["chat.postEphemeral"] == 1
    assert slack.messages[0].body["user"] == "U1"


@pytest.mark.usefixtures("chat")
async def test_a_mention_in_a_thread_is_answered_in_the_thread(slack: FakeSlack) -> None:
    """Slash commands do not work there, so this is the way."""
    mention = slack.event("app_mention", "<@U0BOT> triggers svc-a today", thread_ts="1.000000")
    await slack.push("events_api", mention)
    await slack.until(lambda: bool(slack.messages))
    assert slack.messages[0].body["thread_ts"] == "1.000000"
    assert slack.messages[0].channel == "C0123"
    assert slack.messages[0].shown == "triggers svc-a today"


@pytest.mark.usefixtures("chat")
async def test_a_direct_message_is_a_command(slack: FakeSlack, handler: Recorder) -> None:
    """Without slash or mention, answered where it was said."""
    said = slack.event("message", "status", channel="D1", channel_type="im")
    await slack.push("events_api", said)
    await slack.until(lambda: bool(slack.messages))
    assert slack.messages[0].channel == "D1"
    assert "thread_ts" not in slack.messages[0].body
    assert handler.asked[0].asker.channel == "D1"


@pytest.mark.usefixtures("chat")
async def test_what_is_delivered_again_is_answered_once(
    slack: FakeSlack, handler: Recorder
) -> None:
    """Neither a repeated event, nor a repeated command, nor a repeated envelope asks again."""
    event, command = slack.event("app_mention", "<@U0BOT> one"), slack.slash("/triggers two")
    first = await slack.push("events_api", event)
    await slack.push("slash_commands", command)
    await slack.push("events_api", event)
    await slack.push("slash_commands", command)
    await slack.push("events_api", event, first)
    await slack.push("events_api", slack.event("app_mention", "<@U0BOT> last"))
    await slack.until(lambda: len(slack.acks) == 6 and len(slack.messages) == 2)
    assert sorted(asked.text for asked in handler.asked) == ["last", "one", "triggers two"]


@pytest.mark.usefixtures("chat")
async def test_bots_are_not_answered(slack: FakeSlack, handler: Recorder) -> None:
    """What any bot says is acknowledged and left alone."""
    bot = {"channel_type": "im", "channel": "D1"}
    await slack.push("events_api", slack.event("message", "one", bot_id="B1", **bot))
    await slack.push("events_api", slack.event("app_mention", "<@U0BOT> two", bot_id="B1"))
    await slack.push("events_api", slack.event("message", "three", **bot))
    await slack.until(lambda: len(slack.acks) == 3 and bool(slack.messages))
    assert [asked.text for asked in handler.asked] == ["three"]


@pytest.mark.usefixtures("chat")
async def test_a_zone_that_slack_does_not_tell_is_none_and_is_asked_once(
    slack: FakeSlack, handler: Recorder
) -> None:
    """The answer comes nevertheless, and the next one does not ask again."""
    for word in ("one", "two"):
        await slack.push("slash_commands", slack.slash(f"/triggers {word}", user_id="U404"))
    await slack.until(lambda: len(slack.replies) == 2)
    assert {asked.asker.zone for asked in handler.asked} == {None}
    await slack.push("slash_commands", slack.slash("/triggers three", user_id="U404"))
    await slack.until(lambda: len(slack.replies) == 3)
    assert slack.calls["users.info"] <= 2


async def test_a_command_is_acknowledged_before_it_is_answered(slack: FakeSlack) -> None:
    """A slow answer costs no acknowledgement."""
    go_on = asyncio.Event()

    async def slow(incoming: Incoming) -> Message:
        await go_on.wait()
        return Message(incoming.text)

    async with SlackChat(settings(slack, mode="socket"), slow, ["triggers"]):
        await slack.until(lambda: slack.connected == 1)
        await slack.push("slash_commands", slack.slash("/triggers svc-a"))
        await slack.until(lambda: bool(slack.acks))
        assert not slack.replies
        go_on.set()
    assert slack.replies, "leaving waits for the answer under way"


@pytest.mark.usefixtures("chat")
async def test_an_answer_is_tried_again_where_slack_stumbles(slack: FakeSlack) -> None:
    """A server's fault at the response URL is not the person's problem."""
    slack.fail("status", method="response_url", status=503)
    await slack.push("slash_commands", slack.slash("/triggers svc-a"))
    await slack.until(lambda: bool(slack.replies))
    assert slack.replies[0]["text"] == "triggers svc-a"


@pytest.mark.usefixtures("chat")
async def test_none_is_not_answered(slack: FakeSlack) -> None:
    """Where the handler says nothing, Slack hears nothing."""
    await slack.push("events_api", slack.event("app_mention", "<@U0BOT> hush"))
    await slack.push("events_api", slack.event("app_mention", "<@U0BOT> speak"))
    await slack.until(lambda: bool(slack.messages))
    assert [message.shown for message in slack.messages] == ["speak"]


async def test_signed_requests_are_answered(
    slack: FakeSlack, handler: Recorder, endpoint: str
) -> None:
    """Commands, events and the check of the address work over HTTP as well."""
    assert (await slack.post(endpoint, slack.slash("/triggers svc-a today")))[0] == 200
    assert (await slack.post(endpoint, slack.event("app_mention", "<@U0BOT> status")))[0] == 200
    await slack.until(lambda: bool(slack.replies and slack.messages))
    assert {asked.text for asked in handler.asked} == {"triggers svc-a today", "status"}
    check = {"type": "url_verification", "challenge": "abc"}
    status, body = await slack.post(endpoint, check)
    assert status == 200
    assert "abc" in body


async def test_unsigned_and_stale_requests_are_refused(
    slack: FakeSlack, handler: Recorder, endpoint: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong secret, and a right one six minutes ago, are the same: 401, and nobody is asked."""
    caplog.set_level(logging.DEBUG)
    assert (await slack.post(endpoint, slack.slash("/triggers a"), secret="wrong"))[0] == 401  # noqa: S106 - that is the test
    assert (await slack.post(endpoint, slack.slash("/triggers b"), age=360))[0] == 401
    assert not handler.asked
    assert slack.signing_secret not in caplog.text


@pytest.mark.parametrize(
    ("body", "stamp", "status"),
    [
        (b"{}", "", 401),
        (b"{}", "soon", 401),
        (b"{", "1", 400),
        (b"\xff", "1", 400),
        (b"{}", "1", 401),
        (b"x" * 1_100_000, "1", 413),
    ],
    ids=["no stamp", "odd stamp", "broken JSON", "no text", "unsigned", "huge"],
)
async def test_rubbish_is_refused_without_an_error(
    handler: Recorder, endpoint: str, body: bytes, stamp: str, status: int
) -> None:
    """Whoever finds the address gets a plain refusal."""
    headers = {"X-Slack-Request-Timestamp": stamp, "Content-Type": "application/json"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(endpoint, data=io.BytesIO(body), headers=headers) as answer,
    ):
        assert answer.status == status
    assert not handler.asked


async def test_the_endpoint_of_a_closed_chat_says_so(slack: FakeSlack, handler: Recorder) -> None:
    """Slack delivers again what comes before the chat is open."""
    closed = SlackChat(settings(slack), handler, ())
    async with serving(Starlette(routes=closed.http_routes())) as address:
        status, _ = await slack.post(f"{address}/slack/events", slack.slash("/triggers a"))
    assert status == 503


@pytest.mark.parametrize(("mode", "missing"), [("socket", "app_token"), ("http", "signing_secret")])
def test_what_a_mode_needs_is_asked_for(handler: Recorder, mode: str, missing: str) -> None:
    """The error names the setting and where to find it."""
    lacking = Slack.model_validate({"mode": mode, "bot_token": SecretStr("xoxb-1")})
    with pytest.raises(InvalidInput, match=f"{missing}.*Basic Information"):
        SlackChat(lacking, handler, ())
