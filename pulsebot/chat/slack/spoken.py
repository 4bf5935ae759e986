"""Reads what a person said out of Slack's payloads of commands and events. Pure.

https://docs.slack.dev/interactivity/implementing-slash-commands
https://docs.slack.dev/reference/events/app_mention
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

OWN_COMMAND = "pulsebot"
"""`/pulsebot triggers svc-a today` works beside `/triggers svc-a today`."""

RESERVED = frozenset({
    "active", "apps", "archive", "away", "call", "collapse", "dm", "dnd", "expand", "feed",
    "huddle", "invite", "join", "kick", "leave", "me", "msg", "mute", "open", "part", "people",
    "prefs", "pro", "remind", "remove", "rename", "search", "shortcuts", "shrug", "star",
    "status", "topic", "unarchive", "unstar", "who",
})  # fmt: skip
"""Slack's own commands: an app that wants one of them is refused with all of its commands."""

_MENTION = r"<@[^>]*>"
_REFERENCE = re.compile(r"<([@#!]?)([^>|]*)(?:\|([^>]*))?>")
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}
_ENTITY = re.compile("|".join(_ENTITIES))


@dataclass(frozen=True, slots=True)
class Spoken:
    """A command as said, and where its answer goes: the URL, else the channel (and thread)."""

    user: str
    channel: str
    text: str
    name: str = ""
    response_url: str | None = None
    thread: str | None = None


def slash_names(names: Iterable[str], prefix: str) -> dict[str, str]:
    """Return the command behind each slash command: `/status` must be `/pulsebot-status`.

    Our own command, behind which any other may be typed, has an empty one.
    """
    slashes = {prefix + name: name for name in names}
    return {
        f"{OWN_COMMAND}-{slash}" if slash in RESERVED else slash: name
        for slash, name in slashes.items()
    } | {OWN_COMMAND: ""}


def command(body: Mapping[str, Any], names: Mapping[str, str]) -> Spoken:
    """Read a slash command; `names` are those of `slash_names`."""
    slash = str(body.get("command", "")).removeprefix("/")
    words = typed(str(body.get("text") or ""))
    return Spoken(
        user=str(body.get("user_id", "")),
        channel=str(body.get("channel_id", "")),
        text=f"{names.get(slash, slash)} {words}".strip(),
        name=str(body.get("user_name", "")),
        response_url=body.get("response_url"),
    )


def mention(event: Mapping[str, Any]) -> Spoken | None:
    """Read a mention: the command is what follows it. None for what a bot said."""
    return _said(event, re.sub(rf"^.*?{_MENTION}", "", _text(event), count=1, flags=re.DOTALL))


def direct(event: Mapping[str, Any]) -> Spoken | None:
    """Read a direct message; None for anything else, such as an edit or what a bot said."""
    if event.get("channel_type") != "im" or event.get("subtype"):
        return None
    return _said(event, re.sub(rf"^\s*{_MENTION}", "", _text(event)))


def typed(text: str) -> str:
    """Return what was typed: Slack makes links of names like svc.example.com, and entities."""
    plain = _REFERENCE.sub(lambda found: _as_typed(*found.groups(default="")), text)
    return _ENTITY.sub(lambda found: _ENTITIES[found[0]], plain).strip()


def _as_typed(sign: str, target: str, label: str) -> str:
    if sign == "#":
        return f"#{label or target}"
    return sign.replace("!", "@") + target if sign else label or target


def _text(event: Mapping[str, Any]) -> str:
    return str(event.get("text") or "")


def _said(event: Mapping[str, Any], text: str) -> Spoken | None:
    if event.get("bot_id") or not event.get("user"):
        return None
    return Spoken(
        user=str(event["user"]),
        channel=str(event.get("channel", "")),
        text=typed(text).removeprefix("/"),
        thread=event.get("thread_ts"),
    )
