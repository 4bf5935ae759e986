import json

import pytest
from pydantic import SecretStr

from pulsebot.chat.slack.manifest import manifest, manifest_text
from pulsebot.chat.slack.spoken import RESERVED
from pulsebot.settings import Slack

COMMANDS = {
    "triggers": ("service [window]", "How often a service was triggered"),
    "status": ("[service]", "What is running"),
    "help": ("", "What can be asked"),
}


def http(prefix: str = "") -> Slack:
    """Return settings of HTTP mode."""
    return Slack(
        mode="http",
        bot_token=SecretStr("xoxb-1"),
        signing_secret=SecretStr("s"),
        command_prefix=prefix,
    )


def test_every_command_is_in_the_manifest_with_its_help() -> None:
    """The commands of the table, and the one that takes any of them."""
    commands = {c["command"]: c for c in manifest(COMMANDS)["features"]["slash_commands"]}
    assert list(commands) == ["/triggers", "/pulsebot-status", "/help", "/pulsebot"]
    assert commands["/triggers"]["usage_hint"] == "service [window]"
    assert commands["/triggers"]["description"] == "How often a service was triggered"
    assert "usage_hint" not in commands["/help"]


def test_names_that_slack_keeps_for_itself_are_not_asked_for() -> None:
    """Slack refuses all commands of an app that wants /status."""
    names = {
        c["command"].removeprefix("/") for c in manifest(COMMANDS)["features"]["slash_commands"]
    }
    assert not names & RESERVED


def test_socket_mode_needs_no_address() -> None:
    """Without settings, the app is one for Socket Mode."""
    made = manifest(COMMANDS)
    assert made["settings"]["socket_mode_enabled"] is True
    assert "url" not in str(made)


def test_http_mode_names_the_address_everywhere() -> None:
    """Commands and events go to the endpoint."""
    made = manifest(COMMANDS, http(), "https://bot.example/")
    endpoint = "https://bot.example/slack/events"
    assert made["settings"]["event_subscriptions"]["request_url"] == endpoint
    assert {c["url"] for c in made["features"]["slash_commands"]} == {endpoint}
    assert made["settings"]["socket_mode_enabled"] is False


def test_a_prefix_goes_before_every_command_but_our_own() -> None:
    """`/pb-status` where `/status` is taken; `/pulsebot` keeps its name."""
    made = manifest(COMMANDS, http("pb-"))
    names = [c["command"] for c in made["features"]["slash_commands"]]
    assert names == ["/pb-triggers", "/pb-status", "/pb-help", "/pulsebot"]


@pytest.mark.parametrize("scope", ["chat:write", "commands", "users:read", "app_mentions:read"])
def test_the_scopes_cover_what_the_chat_does(scope: str) -> None:
    """Posting, commands, mentions and zones."""
    assert scope in manifest(COMMANDS)["oauth_config"]["scopes"]["bot"]


def test_the_text_is_the_manifest_and_holds_no_secret() -> None:
    """What is printed can be read back, and pasted anywhere."""
    assert json.loads(manifest_text(COMMANDS, http())) == manifest(COMMANDS, http())
    assert "xoxb" not in manifest_text(COMMANDS, http())
