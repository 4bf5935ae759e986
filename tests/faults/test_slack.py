"""A Slack in trouble, seen from a real bot process: what arrives, and what the bot says."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.slack import FakeSlack, Kind, channel_id
from tests.faults.rig import Rig, event

RULES = """\
version: 1
rules:
  - {id: said, when: {kind: message}, condition: {type: any}, severity: info}
routes:
  - {match: {service: [svc-a]}, to: ["slack:#a"], then: stop}
  - {match: {service: [svc-b]}, to: ["slack:#b"], then: stop}
"""
AGAIN = "You may have received this before"


def _shown(slack: FakeSlack, channel: str) -> list[str]:
    target = channel_id(channel)
    return [message.shown for message in slack.messages if message.channel == target]


def _firsts(slack: FakeSlack, channel: str) -> list[str]:
    return [shown.split("\n")[0].split(": ")[-1] for shown in _shown(slack, channel)]


async def _say(rig: Rig, service: str, *texts: str) -> None:
    """Let a service say something, in its order."""
    await rig.send(*(event("message", service, {"text": text}) for text in texts))


def _state(rig: Rig, receiver: str) -> list[tuple[Any, ...]]:
    return rig.rows("SELECT state, error FROM outbox WHERE receiver = ? ORDER BY seq", receiver)


async def test_429_pauses_that_channel_alone(tmp_path: Path) -> None:
    """While one channel is told to slow down, others go on; later all arrives in order."""
    async with FakeSlack() as slack, Rig(tmp_path, slack, RULES) as rig:
        slack.fail("rate_limited", after=3, channel="#a")
        await rig.start()
        await rig.ready()
        await _say(rig, "svc-a", "a1", "a2")
        await rig.until(lambda: slack.calls["chat.postMessage"] == 1)
        await _say(rig, "svc-b", "b1")
        await rig.until(lambda: len(slack.messages) == 3)
        arrived = [message.shown.split("\n")[0].split(": ")[-1] for message in slack.messages]
        assert arrived == ["b1", "a1", "a2"]
        assert slack.calls["chat.postMessage"] == 4
        assert AGAIN not in "".join(_shown(slack, "#a"))


@pytest.mark.parametrize("kind", ["status", "drop_before", "garbage"])
async def test_trouble_before_the_accept_costs_only_time(tmp_path: Path, kind: Kind) -> None:
    """After a 500, a reset connection or a page of HTML the message is sent again."""
    async with FakeSlack() as slack, Rig(tmp_path, slack, RULES) as rig:
        slack.fail(kind, times=2, channel="#a")
        await rig.start()
        await _say(rig, "svc-a", "a1", "a2")
        await rig.until(lambda: len(slack.messages) == 2)
        assert _firsts(slack, "#a") == ["a1", "a2"]


async def test_a_connection_dropped_after_the_accept_is_resent_with_a_word(tmp_path: Path) -> None:
    """With `uncertain: resend` the second copy says that it may be one."""
    async with FakeSlack() as slack, Rig(tmp_path, slack, RULES) as rig:
        slack.fail("drop_after", channel="#a")
        await rig.start()
        await _say(rig, "svc-a", "a1")
        await rig.until(lambda: _state(rig, "slack:#a") == [("sent", None)])
        first, second = _shown(slack, "#a")
        assert AGAIN not in first
        assert AGAIN in second
        assert rig.rows("SELECT uncertain FROM outbox") == [(1,)]


async def test_a_connection_dropped_after_the_accept_is_left_at_that(tmp_path: Path) -> None:
    """With `uncertain: drop` there is one copy, and the row says what is known."""
    more = {"delivery": {"uncertain": "drop"}}
    async with FakeSlack() as slack, Rig(tmp_path, slack, RULES, **more) as rig:
        slack.fail("drop_after", channel="#a")
        await rig.start()
        await _say(rig, "svc-a", "a1", "a2")
        await rig.until(lambda: len(slack.messages) == 2)
        assert _firsts(slack, "#a") == ["a1", "a2"]
        await rig.until(lambda: [state for state, _ in _state(rig, "slack:#a")][1] == "sent")
        assert _state(rig, "slack:#a")[0] == (
            "failed",
            "may have arrived before a crash; not sent again",
        )


async def test_a_channel_that_is_gone_is_shown_and_told_to_the_admin(tmp_path: Path) -> None:
    """The row fails with the mend, the probe names it, and the admin receiver hears of it."""
    more = {"delivery": {"admin": "slack:#b"}}
    async with FakeSlack() as slack, Rig(tmp_path, slack, RULES, **more) as rig:
        slack.missing.add("#a")
        await rig.start()
        await _say(rig, "svc-a", "a1")
        await rig.until(lambda: len(slack.messages) == 1)
        ((state, error),) = _state(rig, "slack:#a")
        assert state == "failed"
        assert "channel_not_found" in error
        assert "/invite @pulsebot" in error
        (told,) = _shown(slack, "#b")
        assert "could not deliver to slack:#a" in told
        assert "svc-a: a1" in told
        await rig.until(lambda: json.loads(rig.probe()[1])["paused"] == {"slack:#a": error})
        assert 'pulsebot_send_failures_total{receiver="slack:#a"} 1.0' in rig.probe("metrics")[1]


async def test_refused_markup_is_resent_as_plain_text(tmp_path: Path) -> None:
    """What Slack refuses for its looks arrives without them."""
    async with FakeSlack() as slack, Rig(tmp_path, slack, RULES) as rig:
        slack.fail("error", error="invalid_blocks", channel="#a")
        await rig.start()
        await _say(rig, "svc-a", "a1")
        await rig.until(lambda: len(slack.messages) == 1)
        assert "blocks" not in slack.messages[0].body
        assert "a1" in slack.messages[0].shown
