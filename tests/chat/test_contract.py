"""What every chat owes to the rest: one suite over all of them."""

import asyncio

import pytest

from pulsebot.chat.base import Incoming
from pulsebot.errors import Permanent, Retryable
from pulsebot.message import Code, Fields, Link, Message, Note, Table, Text
from tests.chat.stands import ASKED, CHATS, NETWORKED, PAUSE_S, Open
from tests.patience import PATIENCE_S

EVERYTHING = Message(
    "svc-a crashed",
    (
        Text("first line\nsecond line"),
        Fields((("env", "prod"), ("team", "payments"))),
        Table(("service", "count"), (("svc-a", "5"), ("checkout", "1,234"))),
        Code("Traceback (most recent call last)\n  raise OSError"),
        Link("runbook", "https://wiki.example/run"),
        Note("Europe/Berlin"),
    ),
    "critical",
)
WORDS = [
    *("svc-a crashed", "first line", "second line", "env", "prod", "team", "payments"),
    *("checkout", "1,234", "Traceback", "raise OSError", "runbook", "Europe/Berlin"),
]
HOSTILE = "a <b>& </b> *c* _d_ `e` [f](g) <!channel> @everyone {0} %s \\n"

every_chat = pytest.mark.parametrize("stand_of", CHATS.values(), ids=CHATS)
every_network = pytest.mark.parametrize("stand_of", NETWORKED.values(), ids=NETWORKED)
every_asked = pytest.mark.parametrize("stand_of", ASKED.values(), ids=ASKED)


async def answer(incoming: Incoming) -> Message:
    """Answer with what was asked."""
    return Message(f"asked on {incoming.asker.chat}: {incoming.text}")


@every_chat
@pytest.mark.parametrize("formatted", [True, False], ids=["formatted", "plain"])
async def test_one_send_is_one_message_that_holds_every_part(
    stand_of: Open, *, formatted: bool
) -> None:
    """All words of all parts can be read, in one message."""
    async with stand_of(answer) as stand:
        await stand.chat.send(stand.target, EVERYTHING, formatted=formatted)
        (text,) = stand.seen()
    assert [word for word in WORDS if word not in text] == []


@every_chat
@pytest.mark.parametrize("formatted", [True, False], ids=["formatted", "plain"])
async def test_text_is_never_taken_for_markup(stand_of: Open, *, formatted: bool) -> None:
    """What an event says is read as it was said, whatever the platform's markup."""
    message = Message(HOSTILE, (Text(HOSTILE), Fields(((HOSTILE, HOSTILE),))))
    async with stand_of(answer) as stand:
        await stand.chat.send(stand.target, message, formatted=formatted)
        (text,) = stand.seen()
    assert text.count(HOSTILE) == 4


@every_chat
@pytest.mark.parametrize("formatted", [True, False], ids=["formatted", "plain"])
async def test_a_message_beyond_every_limit_is_sent_shortened(
    stand_of: Open, *, formatted: bool
) -> None:
    """No platform refuses it for its length, and the title is there."""
    rows = tuple((f"svc-{number}", "5 & <6>") for number in range(2_000))
    parts = (Code("<x>" * 30_000), Table(("a", "b"), rows), Text("y" * 50_000), Note("z" * 9_000))
    async with stand_of(answer) as stand:
        await stand.chat.send(stand.target, Message("the title", parts), formatted=formatted)
        (text,) = stand.seen()
    assert "the title" in text


@every_chat
async def test_control_characters_and_an_empty_message_do_no_harm(stand_of: Open) -> None:
    """Even these arrive as something."""
    async with stand_of(answer) as stand:
        await stand.chat.send(stand.target, Message("nul \x00 escape \x1b[31m"))
        await stand.chat.send(stand.target, Message(""))
        assert len(stand.seen()) == 2


@every_chat
async def test_messages_arrive_in_the_order_of_sending(stand_of: Open) -> None:
    """Each send has arrived when it returns."""
    titles = [f"number {number}" for number in range(5)]
    async with stand_of(answer) as stand:
        for title in titles:
            await stand.chat.send(stand.target, Message(title))
        seen = stand.seen()
    assert [title for title, text in zip(titles, seen, strict=True) if title in text] == titles


@every_chat
async def test_a_connected_chat_is_healthy_and_leaves_in_seconds(stand_of: Open) -> None:
    """Health has no complaint, and closing does not hang."""
    async with stand_of(answer) as stand:
        await stand.chat.send(stand.target, Message("hello"))
        assert stand.chat.health() is None
        async with asyncio.timeout(PATIENCE_S):
            await stand.chat.__aexit__(None, None, None)


@every_network
async def test_a_rate_limit_pauses_the_whole_destination(stand_of: Open) -> None:
    """The platform's own wait is passed on, and nothing was sent."""
    async with stand_of(answer) as stand:
        await stand.fail("too many")
        with pytest.raises(Retryable) as caught:
            await stand.chat.send(stand.target, Message("hello"))
        assert stand.seen() == []
    error = caught.value
    assert (error.after, error.whole_destination, error.sent_unknown) == (PAUSE_S, True, False)


@every_network
async def test_a_server_error_is_retryable_and_the_next_send_works(stand_of: Open) -> None:
    """The chat itself does not try again: one call is one attempt."""
    async with stand_of(answer) as stand:
        await stand.fail("server error")
        with pytest.raises(Retryable) as caught:
            await stand.chat.send(stand.target, Message("hello"))
        assert not caught.value.sent_unknown
        assert stand.seen() == []
        await stand.chat.send(stand.target, Message("again"))
        assert len(stand.seen()) == 1


@every_network
@pytest.mark.parametrize(("trouble", "arrived"), [("dropped before", 0), ("dropped after", 1)])
async def test_a_dropped_connection_is_doubtful_and_not_repeated(
    stand_of: Open, trouble: str, arrived: int
) -> None:
    """Whether it arrived cannot be known; the library below must not have sent it twice."""
    async with stand_of(answer) as stand:
        await stand.fail(trouble)  # type: ignore[arg-type] - one of its literals
        with pytest.raises(Retryable) as caught:
            await stand.chat.send(stand.target, Message("hello"))
        assert caught.value.sent_unknown
        assert len(stand.seen()) == arrived


@every_network
async def test_a_platform_that_is_gone_is_retryable_without_doubt(stand_of: Open) -> None:
    """A connection that was refused has sent nothing."""
    async with stand_of(answer) as stand:
        await stand.fail("gone")
        with pytest.raises(Retryable) as caught:
            await stand.chat.send(stand.target, Message("hello"))
    assert not caught.value.sent_unknown


@every_network
async def test_a_target_that_is_not_there_is_permanent(stand_of: Open) -> None:
    """Trying again cannot help; the reason names the target."""
    async with stand_of(answer) as stand:
        with pytest.raises(Permanent, match="nowhere"):
            await stand.chat.send("nowhere", Message("hello"))


@every_asked
async def test_a_command_is_answered_by_the_handler(stand_of: Open) -> None:
    """The handler gets the bare command and its chat; its message is the reply."""
    async with stand_of(answer) as stand:
        await stand.ask("/triggers svc-a today")
        assert f"asked on {stand.chat.name}: triggers svc-a today" in stand.seen()[-1]
