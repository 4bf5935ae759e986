from typing import Any

import pytest

from pulsebot.chat.slack import spoken
from pulsebot.chat.slack.spoken import Spoken


def event(text: str, **details: Any) -> dict[str, Any]:
    """Return an event of a person in a channel."""
    return {"user": "U1", "channel": "C1", "text": text} | details


def test_a_slash_command_is_its_name_and_its_words() -> None:
    """The name loses slash and prefix."""
    body = {"command": "/pb-triggers", "text": "svc-a today", "user_id": "U1", "channel_id": "C1"}
    body |= {"user_name": "kim", "response_url": "http://r"}
    said = spoken.command(body, spoken.slash_names(["triggers"], "pb-"))
    assert said == Spoken("U1", "C1", "triggers svc-a today", "kim", "http://r")


@pytest.mark.parametrize(
    ("slash", "text", "expected"),
    [
        ("/pulsebot", "triggers svc-a today", "triggers svc-a today"),
        ("/pulsebot", "", ""),
        ("/pulsebot-status", "svc-a", "status svc-a"),
        ("/help", "", "help"),
        ("/strange", "word", "strange word"),
    ],
)
def test_commands_are_found_behind_their_slash_names(slash: str, text: str, expected: str) -> None:
    """Our own command takes any other; Slack keeps /status for itself, so it has another name."""
    names = spoken.slash_names(["status", "help"], "")
    assert spoken.command({"command": slash, "text": text}, names).text == expected


@pytest.mark.parametrize(
    "text",
    [
        "<@U0BOT> triggers svc-a today",
        "<@U0BOT|pulsebot>  triggers svc-a today ",
        "hey <@U0BOT> /triggers svc-a today",
    ],
)
def test_a_mention_is_what_follows_it(text: str) -> None:
    """Whatever stands before the mention is talk."""
    said = spoken.mention(event(text, thread_ts="1.2"))
    assert said == Spoken("U1", "C1", "triggers svc-a today", thread="1.2")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("status", "status"),
        ("/status svc-a", "status svc-a"),
        ("<@U0BOT> status", "status"),
        ("status <http://svc.example.com|svc.example.com>", "status svc.example.com"),
        ("status <http://svc.example.com>", "status http://svc.example.com"),
        ("status <#C1|payments> &lt;a&gt; &amp;amp;", "status #payments <a> &amp;"),
        ("status <@U2> <!here>", "status @U2 @here"),
    ],
)
def test_direct_messages_are_read_as_typed(text: str, expected: str) -> None:
    """The links and entities that Slack makes of names are undone."""
    said = spoken.direct(event(text, channel_type="im"))
    assert said
    assert said.text == expected


@pytest.mark.parametrize(
    "details",
    [
        {"bot_id": "B1"},
        {"subtype": "message_changed"},
        {"channel_type": "channel"},
        {"user": None},
    ],
    ids=str,
)
def test_what_is_no_persons_direct_message_is_not_a_command(details: dict[str, Any]) -> None:
    """Bots, edits and other channels are not answered."""
    assert spoken.direct(event("status", **({"channel_type": "im"} | details))) is None


def test_a_bots_mention_is_not_a_command() -> None:
    """Two bots must never talk to each other for ever."""
    assert spoken.mention(event("<@U0BOT> status", bot_id="B1")) is None
