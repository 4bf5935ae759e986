"""What Slack sends to an app: payloads of commands and events, and how they are signed.

https://docs.slack.dev/authentication/verifying-requests-from-slack
"""

import hashlib
import hmac
import json
import time
from typing import Any
from urllib.parse import urlencode

BOT = "U0BOT"


def slash(typed: str, number: int, response_url: str) -> dict[str, Any]:
    """Return the payload of a slash command that U1 typed in C0123."""
    command, _, text = typed.partition(" ")
    return {
        "command": command,
        "text": text,
        "user_id": "U1",
        "user_name": "kim",
        "channel_id": "C0123",
        "team_id": "T1",
        "trigger_id": f"trigger-{number}",
        "response_url": response_url,
    }


def event(kind: str, text: str, number: int, **details: Any) -> dict[str, Any]:
    """Return the payload of an event of U1 in C0123; `details` are the event's own fields."""
    inner = {"type": kind, "text": text, "user": "U1", "channel": "C0123", "ts": "1.000001"}
    return {
        "type": "event_callback",
        "event_id": f"Ev{number}",
        "team_id": "T1",
        "authorizations": [{"team_id": "T1", "user_id": BOT, "is_bot": True}],
        "event": inner | details,
    }


def signed(payload: dict[str, Any], secret: str, age: float) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of a payload that was signed `age` seconds ago."""
    as_json = payload.get("type") in {"event_callback", "url_verification"}
    body = json.dumps(payload) if as_json else urlencode(payload)
    stamp = str(int(time.time() - age))
    digest = hmac.new(secret.encode(), f"v0:{stamp}:{body}".encode(), hashlib.sha256).hexdigest()
    content_type = "application/json" if as_json else "application/x-www-form-urlencoded"
    return body.encode(), {
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": f"v0={digest}",
        "Content-Type": content_type,
    }
