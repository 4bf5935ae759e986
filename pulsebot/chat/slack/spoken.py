"""Reads what a person said out of Slack's payloads of commands and events. Pure.

https://docs.slack.dev/interactivity/implementing-slash-commands
https://docs.slack.dev/reference/events/app_mention
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

OWN_COMMAND = "pulsebot"
"""`/pulsebot triggers svc-a today` works beside `/triggers svc-a today`."""

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


def command(body: Mapping[str, Any], prefix: str) -> Spoken:
    """Read a slash command; `prefix` is what all but our own have before their name."""
    name = str(body.get("command", "")).removeprefix("/")
    words = [] if name == OWN_COMMAND else [name.removeprefix(prefix)]
    return Spoken(
        user=str(body.get("user_id", "")),
        channel=str(body.get("channel_id", "")),
        text=" ".join([*words, typed(str(body.get("text") or ""))]).strip(),
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
