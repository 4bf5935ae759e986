"""The app's manifest: what Slack must know to create the app, ready to paste. Pure.

https://docs.slack.dev/reference/app-manifest
"""

import json
from typing import Any, Literal

from pulsebot.chat.slack.endpoint import PATH
from pulsebot.chat.slack.spoken import slash_names
from pulsebot.settings import Slack

DEFAULT_URL = "https://pulsebot.example.com"
DESCRIPTION = 2_000
USAGE = 1_000
NAME = 32
"""Longest slash command, with its slash."""

SCOPES = (
    "app_mentions:read",
    "chat:write",
    "chat:write.public",  # posts to public channels without an invitation
    "commands",
    "im:history",
    "users:read",  # the time zone of who asks
)


def manifest(
    commands: dict[str, tuple[str, str]],
    settings: Slack | None = None,
    url: str = DEFAULT_URL,
) -> dict[str, Any]:
    """Return the manifest; `commands` gives usage (`service [window]`) and help by name.

    What Slack keeps for itself gets another name (`spoken.RESERVED`). Settings say mode and
    command prefix: Socket Mode and none without them. `url` is the bot's public address in
    HTTP mode, without a path.
    """
    mode: Literal["socket", "http"] = settings.mode if settings else "socket"
    address = url.rstrip("/") + PATH if mode == "http" else None
    prefix = settings.command_prefix if settings else ""
    texts = commands | {"": ("command …", "Ask pulsebot: any command after its name")}
    names = slash_names(commands, prefix)
    slash = [_command(name, *texts[behind]) for name, behind in names.items()]
    events: dict[str, Any] = {"bot_events": ["app_mention", "message.im"]}
    if address:
        slash = [command | {"url": address} for command in slash]
        events["request_url"] = address
    return {
        "display_information": {
            "name": "pulsebot",
            "description": "Triggers, crashes and status of microservices",
        },
        "features": {
            "app_home": {"messages_tab_enabled": True, "messages_tab_read_only_enabled": False},
            "bot_user": {"display_name": "pulsebot", "always_online": True},
            "slash_commands": slash,
        },
        "oauth_config": {"scopes": {"bot": list(SCOPES)}},
        "settings": {
            "event_subscriptions": events,
            "interactivity": {"is_enabled": False},
            "org_deploy_enabled": False,
            "socket_mode_enabled": mode == "socket",
            "token_rotation_enabled": False,
        },
    }


def manifest_text(
    commands: dict[str, tuple[str, str]],
    settings: Slack | None = None,
    url: str = DEFAULT_URL,
) -> str:
    """Return the manifest as JSON, to be pasted at api.slack.com/apps (From a manifest)."""
    return json.dumps(manifest(commands, settings, url), indent=2, ensure_ascii=False)


def _command(name: str, usage: str, help_: str) -> dict[str, Any]:
    command = {
        "command": f"/{name}"[:NAME],
        "description": (help_ or name)[:DESCRIPTION],
        "should_escape": False,
    }
    return command | ({"usage_hint": usage[:USAGE]} if usage else {})
