"""Webhooks, through real HTTP."""

import hashlib
import hmac
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from pulsebot.chat.webhook import WebhookChat
from pulsebot.errors import InvalidInput, Permanent, Retryable
from pulsebot.message import Code, Fields, Message
from pulsebot.settings import Webhook
from tests.fakes.webhook import FakeReceiver, Reply

MESSAGE = Message("svc-a crashed", (Fields((("env", "prod"),)), Code("Traceback")), "critical")


@pytest.fixture
async def receiver() -> AsyncIterator[FakeReceiver]:
    """Run a receiver."""
    async with FakeReceiver() as fake:
        yield fake


def hooks(receiver: FakeReceiver, **more: object) -> dict[str, Webhook]:
    """Name the receiver `ci`."""
    return {"ci": Webhook.model_validate({"url": receiver.url} | more)}


async def refused(receiver: FakeReceiver, reply: Reply, **more: object) -> Retryable | Permanent:
    """Send once against a reply and return our error."""
    receiver.replies.append(reply)
    async with WebhookChat(hooks(receiver, **more)) as chat:
        with pytest.raises((Retryable, Permanent)) as caught:
            await chat.send("ci", MESSAGE)
    return caught.value


async def test_the_body_is_the_documented_json(receiver: FakeReceiver) -> None:
    """Version, title, severity, parts, and the whole as plain text."""
    async with WebhookChat(hooks(receiver)) as chat:
        await chat.send("ci", MESSAGE, notification="a1-fired")
    assert receiver.received[0].content == {
        "version": 1,
        "id": "a1-fired",
        "title": "svc-a crashed",
        "severity": "critical",
        "parts": [
            {"type": "fields", "items": [["env", "prod"]]},
            {"type": "code", "text": "Traceback"},
        ],
        "text": "🔴 svc-a crashed\nenv: prod\nTraceback",
    }


async def test_unformatted_leaves_the_parts_out(receiver: FakeReceiver) -> None:
    """A receiver that chokes on parts still gets the text."""
    async with WebhookChat(hooks(receiver)) as chat:
        await chat.send("ci", MESSAGE, formatted=False)
    content = receiver.received[0].content
    assert content["parts"] == []
    assert "Traceback" in content["text"]


async def test_the_body_is_signed(receiver: FakeReceiver) -> None:
    """The receiver can check the HMAC over the bytes it got; own headers go along."""
    more = {"signing_secret": "s3cret", "headers": {"Authorization": "Bearer x"}}
    async with WebhookChat(hooks(receiver, **more)) as chat:
        await chat.send("ci", MESSAGE)
    got = receiver.received[0]
    digest = hmac.new(b"s3cret", got.raw, hashlib.sha256).hexdigest()
    assert got.headers["X-Pulsebot-Signature"] == f"sha256={digest}"
    assert got.headers["Authorization"] == "Bearer x"


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_honoured(receiver: FakeReceiver, status: int) -> None:
    """The receiver asks for a pause of everything that goes to it."""
    error = await refused(receiver, Reply(status, {"Retry-After": "17"}))
    assert isinstance(error, Retryable)
    assert (error.after, error.whole_destination, error.sent_unknown) == (17.0, True, False)


async def test_retry_after_may_be_a_date(receiver: FakeReceiver) -> None:
    """A date is turned into the seconds until then."""
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    error = await refused(receiver, Reply(503, {"Retry-After": until}))
    assert isinstance(error, Retryable)
    assert error.after == pytest.approx(100, abs=5)


@pytest.mark.parametrize("wait", ["soon", "-5", "1e400", "Fri, 31 Dec 9999 23:59:59 -1200"])
async def test_a_retry_after_that_makes_no_sense_is_ignored(
    receiver: FakeReceiver, wait: str
) -> None:
    """Then delivery's own backoff counts."""
    error = await refused(receiver, Reply(503, {"Retry-After": wait}))
    assert isinstance(error, Retryable)
    assert error.after is None


@pytest.mark.parametrize("status", [500, 502, 504, 408])
async def test_a_server_in_trouble_is_tried_again(receiver: FakeReceiver, status: int) -> None:
    """It said that it did not take the message; a gateway that waited in vain cannot know."""
    error = await refused(receiver, Reply(status))
    assert isinstance(error, Retryable)
    assert error.sent_unknown is (status == 504)


@pytest.mark.parametrize("status", [400, 401, 404, 410, 422])
async def test_a_refusal_is_permanent_and_quotes_the_start_of_the_reply(
    receiver: FakeReceiver, status: int
) -> None:
    """However long the reply, only its first words are repeated."""
    error = await refused(receiver, Reply(status, body=b"no such hook " + b"x" * 1_000_000))
    assert isinstance(error, Permanent)
    assert f"answered {status} (no such hook xxx" in error.reason
    assert len(error.reason) < 300


async def test_a_redirect_is_not_followed(receiver: FakeReceiver) -> None:
    """Signed bodies go only where the settings say."""
    error = await refused(receiver, Reply(307, {"Location": receiver.url}))
    assert isinstance(error, Permanent)
    assert "put the final address" in error.reason
    assert receiver.received == []


@pytest.mark.parametrize("drop", ["before", "after"])
async def test_a_dropped_connection_leaves_it_unknown(receiver: FakeReceiver, drop: str) -> None:
    """Whether it was accepted cannot be told from here."""
    error = await refused(receiver, Reply(drop=drop))  # type: ignore[arg-type]
    assert isinstance(error, Retryable)
    assert error.sent_unknown


async def test_silence_ends_at_the_time_limit(receiver: FakeReceiver) -> None:
    """The limit of the settings bounds the whole exchange."""
    error = await refused(receiver, Reply(delay_s=5), timeout_s=0.1)
    assert isinstance(error, Retryable)
    assert error.sent_unknown


async def test_nobody_listening_has_sent_nothing() -> None:
    """A refused connection is no doubtful case."""
    async with FakeReceiver() as gone:
        settings = hooks(gone)
    async with WebhookChat(settings) as chat:
        with pytest.raises(Retryable) as caught:
            await chat.send("ci", MESSAGE)
    assert not caught.value.sent_unknown


async def test_an_unknown_name_says_where_to_add_it(receiver: FakeReceiver) -> None:
    """The mend is in the reason."""
    async with WebhookChat(hooks(receiver)) as chat:
        with pytest.raises(Permanent, match=r"add webhooks\.cd\.url"):
            await chat.send("cd", MESSAGE)


@pytest.mark.parametrize(
    "more",
    [
        {"url": "ftp://x/"},
        {"url": "example.org/hook"},
        {"url": "https://x:y/"},
        {"headers": {"X": "ü"}},
    ],
)
def test_settings_that_cannot_work_are_refused(more: dict[str, object]) -> None:
    """The error names the setting."""
    values = {"url": "https://example.org/"} | more
    with pytest.raises(InvalidInput, match=r"webhooks\.ci\."):
        WebhookChat({"ci": Webhook.model_validate(values)})
