from collections.abc import AsyncIterator

import pytest

from pulsebot.chat.slack import web
from pulsebot.chat.slack.recent import Recent
from pulsebot.chat.slack.zones import Zones
from tests.chat.slack_rig import settings
from tests.fakes.slack import FakeSlack


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    """Run a Slack."""
    async with FakeSlack() as server:
        yield server


@pytest.fixture
async def zones(slack: FakeSlack) -> AsyncIterator[Zones]:
    """Ask that Slack, and wait a twentieth of a second for its answer."""
    async with web.new_session() as session:
        yield Zones(web.new_client(settings(slack), session), wait_s=0.05)


async def test_a_zone_is_asked_for_once(slack: FakeSlack, zones: Zones) -> None:
    """The profile's zone is remembered."""
    assert [await zones.of("U1") for _ in range(3)] == ["Europe/Berlin"] * 3
    assert slack.calls["users.info"] == 1


@pytest.mark.parametrize("kind", ["slow", "status", "garbage", "not_json", "rate_limited"])
async def test_trouble_means_no_zone_and_no_delay(
    slack: FakeSlack, zones: Zones, kind: str
) -> None:
    """The answer does not wait for Slack to be well, nor asks again at once."""
    slack.fail(kind, method="users.info", after=5)  # type: ignore[arg-type] # one of its literals
    assert await zones.of("U1") is None
    assert await zones.of("U1") is None
    assert slack.calls["users.info"] == 1


@pytest.mark.parametrize("tz", [None, "", 7])
async def test_a_profile_without_a_zone_has_none(
    slack: FakeSlack, zones: Zones, tz: object
) -> None:
    """What is no name is not taken for one."""
    slack.users["U2"] = {"id": "U2", "tz": tz}
    assert await zones.of("U2") is None


def test_what_came_lately_is_remembered_within_bounds() -> None:
    """The oldest keys make room for the newest."""
    recent = Recent(size=3)
    assert [recent.add(key) for key in "aabcd"] == [True, False, True, True, True]
    assert [recent.add(key) for key in "dcb"] == [False] * 3
    assert recent.add("a")
