"""The walk of an event from a script's line to a person's answer, every room real."""

from pathlib import Path

from tests.fakes.slack import FakeSlack
from tests.faults.rig import Rig, event

RULES = """\
version: 1
rules:
  - id: new-crash
    when: {kind: crash}
    condition: {type: fingerprint, on: [new]}
    severity: critical
    text: "{service} crashed: {error}"
routes:
  - {match: {}, to: ["slack:#crash"], then: stop}
"""


async def test_from_crawler_to_chat_and_back(tmp_path: Path) -> None:
    """A crash reaches its channel, `/triggers svc-a 24h` is answered, and all ends in order."""
    async with FakeSlack() as slack:
        connected = {
            "mode": "socket",
            "bot_token": slack.bot_token,
            "app_token": slack.app_token,
            "base_url": slack.base_url,
        }
        access = {"slack": {"users": ["U1"]}}
        async with Rig(tmp_path, slack, RULES, slack=connected, access=access) as rig:
            await rig.start()
            await rig.until(lambda: slack.connected == 1)
            await rig.send(
                event("trigger", "svc-a", {"count": 40}),
                event("trigger", "svc-a", {"count": 2}),
                event("trigger", "svc-b", {"count": 7}),
                event("crash", "svc-a", {"error": "NoRouteToHost"}),
            )
            await rig.until(lambda: len(slack.messages) == 1)
            assert slack.messages[0].shown.startswith("🔴 svc-a crashed: NoRouteToHost")
            await slack.push("slash_commands", slack.slash("/triggers svc-a 24h"))
            await slack.until(lambda: bool(slack.replies), 60)
            assert "42" in slack.replies[0]["text"]
            assert "svc-a" in slack.replies[0]["text"]
            assert await rig.terminate() == 0
            assert "Traceback" not in rig.log.read_text()
