"""What the tests of the Slack chat share: its settings at a fake Slack, and a handler."""

from typing import Any

from pydantic import SecretStr

from pulsebot.chat.base import Incoming
from pulsebot.message import Message, Severity
from pulsebot.settings import Slack
from tests.fakes.slack import FakeSlack


def settings(slack: FakeSlack, **changes: Any) -> Slack:
    """Return the settings of a chat at this server, in HTTP mode."""
    values = {
        "mode": "http",
        "bot_token": SecretStr(slack.bot_token),
        "signing_secret": SecretStr(slack.signing_secret),
        "app_token": SecretStr(slack.app_token),
        "base_url": slack.base_url,
    }
    return Slack(**(values | changes))


class Recorder:
    """A handler that keeps what it was asked and answers with it; `hush` gets no answer."""

    def __init__(self, severity: Severity | None = None) -> None:
        self.asked: list[Incoming] = []
        self.severity = severity

    async def __call__(self, incoming: Incoming) -> Message | None:
        """Answer with what was asked."""
        self.asked.append(incoming)
        return None if incoming.text == "hush" else Message(incoming.text, (), self.severity)
