"""Sending through a real HTTP server that behaves, and misbehaves, like Slack."""

import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr

from pulsebot.chat.base import Incoming
from pulsebot.chat.slack import SlackChat
from pulsebot.errors import Permanent, Retryable
from pulsebot.message import Message, Text
from tests.chat.slack_rig import settings
from tests.fakes.slack import FakeSlack, channel_id

HELLO = Message("svc-a crashed", (Text("a < b & <!channel>"),), "critical")


async def nobody(_: Incoming) -> None:
    """Answer nothing."""


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    """Run a Slack."""
    async with FakeSlack() as server:
        yield server


@pytest.fixture
async def chat(slack: FakeSlack) -> AsyncIterator[SlackChat]:
    """Open a chat there."""
    async with SlackChat(settings(slack), nobody, ()) as opened:
        yield opened


async def test_a_message_arrives_with_blocks_and_a_fallback(
    slack: FakeSlack, chat: SlackChat
) -> None:
    """The reference names the channel by its id, and nothing in it can mention or unfurl."""
    reference = await chat.send("#crash", HELLO)
    (message,) = slack.messages
    assert (reference.target, reference.id) == (channel_id("#crash"), message.ts)
    assert message.shown == "🔴 svc-a crashed\na < b & <!channel>"
    assert message.body["text"] == "🔴 svc-a crashed\na &lt; b &amp; &lt;!channel&gt;"
    assert not message.body["unfurl_links"]
    assert not message.body["unfurl_media"]
    assert not message.body["link_names"]


async def test_plain_text_carries_no_markup(slack: FakeSlack, chat: SlackChat) -> None:
    """`formatted=False` sends text alone, which Slack is told not to format."""
    await chat.send("#crash", HELLO, formatted=False)
    (message,) = slack.messages
    assert "blocks" not in message.body
    assert message.body["mrkdwn"] is False
    assert message.shown == "🔴 svc-a crashed\na < b & <!channel>"


@pytest.mark.parametrize(
    ("target", "channel"),
    [("C0123", "C0123"), ("@U0123ABC", "U0123ABC"), ("@kim", "@kim"), ("#ops", "#ops")],
)
async def test_targets_are_given_as_slack_wants_them(
    slack: FakeSlack, chat: SlackChat, target: str, channel: str
) -> None:
    """A member id goes without its @; names and ids of channels go as they are."""
    await chat.send(target, HELLO)
    assert slack.messages[0].body["channel"] == channel


async def test_too_many_requests_pause_the_destination(slack: FakeSlack, chat: SlackChat) -> None:
    """Slack's own Retry-After is passed on."""
    slack.fail("rate_limited", after=7)
    with pytest.raises(Retryable) as caught:
        await chat.send("#crash", HELLO)
    assert caught.value.after == 7
    assert caught.value.whole_destination
    assert not caught.value.sent_unknown


@pytest.mark.parametrize(
    ("fault", "unknown"),
    [
        ({"kind": "status", "status": 500}, False),
        ({"kind": "status", "status": 503}, False),
        ({"kind": "status", "status": 504}, True),
        ({"kind": "drop_before"}, True),
        ({"kind": "drop_after"}, True),
        ({"kind": "garbage"}, True),
        ({"kind": "not_json"}, True),
        ({"kind": "no_verdict"}, True),
        ({"kind": "error", "error": "service_unavailable"}, False),
        ({"kind": "error", "error": "internal_error"}, True),
    ],
    ids=str,
)
async def test_trouble_is_retryable_and_the_call_is_made_once(
    slack: FakeSlack, chat: SlackChat, fault: dict[str, Any], *, unknown: bool
) -> None:
    """Whatever breaks, the chat posts once and says whether the message may have arrived."""
    slack.fail(**fault)
    with pytest.raises(Retryable) as caught:
        await chat.send("#crash", HELLO)
    assert caught.value.sent_unknown is unknown
    assert slack.calls["chat.postMessage"] == 1
    assert len(slack.messages) == (fault["kind"] == "drop_after")


async def test_an_unreachable_slack_is_retryable_and_nothing_was_sent(slack: FakeSlack) -> None:
    """A refused connection leaves no doubt."""
    await slack.stop()
    async with SlackChat(settings(slack), nobody, ()) as chat:
        with pytest.raises(Retryable, match="cannot be reached") as caught:
            await chat.send("#crash", HELLO)
    assert not caught.value.sent_unknown


@pytest.mark.parametrize(
    ("error", "mend"),
    [
        ("channel_not_found", "/invite @pulsebot"),
        ("not_in_channel", "/invite @pulsebot"),
        ("is_archived", "unarchive"),
    ],
)
async def test_a_final_refusal_names_the_mend(
    slack: FakeSlack, chat: SlackChat, error: str, mend: str
) -> None:
    """Trying again is useless, and a person reads what to do."""
    slack.fail("error", error=error)
    with pytest.raises(Permanent, match=mend) as caught:
        await chat.send("#crash", HELLO)
    assert not caught.value.unformatted


@pytest.mark.parametrize(
    ("error", "mend"),
    [
        ("account_inactive", "install it again"),
        ("invalid_auth", "slack.bot_token"),
        ("token_revoked", "install the app again"),
        ("missing_scope", "manifest"),
    ],
)
async def test_a_refusal_of_our_account_is_not_the_messages_end(
    slack: FakeSlack, chat: SlackChat, error: str, mend: str
) -> None:
    """A person can mend it: the message waits, and they read how."""
    slack.fail("error", error=error)
    with pytest.raises(Retryable, match=mend) as caught:
        await chat.send("#crash", HELLO)
    assert caught.value.mend
    assert not caught.value.sent_unknown


@pytest.mark.parametrize("error", ["invalid_blocks", "msg_too_long", "something_new"])
async def test_a_refused_form_asks_for_plain_text_once(
    slack: FakeSlack, chat: SlackChat, error: str
) -> None:
    """The same refusal of plain text is final."""
    slack.fail("error", error=error, times=2)
    with pytest.raises(Permanent) as caught:
        await chat.send("#crash", HELLO)
    assert caught.value.unformatted
    with pytest.raises(Permanent) as caught:
        await chat.send("#crash", HELLO, formatted=False)
    assert not caught.value.unformatted


async def test_a_wrong_token_is_refused_and_told_to_nobody(
    slack: FakeSlack, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the error nor the log, at its most talkative, holds the token."""
    caplog.set_level(logging.DEBUG)
    wrong = settings(slack, bot_token=SecretStr("xoxb-very-secret"))
    async with SlackChat(wrong, nobody, ()) as chat:
        with pytest.raises(Retryable, match="not valid") as caught:
            await chat.send("#crash", HELLO)
    assert "very-secret" not in f"{caught.value!r} {caught.value.__cause__!r} {caplog.text}"


async def test_a_closed_chat_says_so(slack: FakeSlack) -> None:
    """Sending before or after the chat's life is retryable."""
    chat = SlackChat(settings(slack), nobody, ())
    with pytest.raises(Retryable, match="not open"):
        await chat.send("#crash", HELLO)
