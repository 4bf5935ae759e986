from typing import Any

import pytest

from pulsebot.rules.engine import Engine
from tests.rules.samples import DAY, HOUR, NOON_MS, feed, rule, status, story


def watching(**parts: Any) -> Engine:
    """Watch statuses: fires at the third bad one, resolves at the second good one."""
    condition = {"type": "state", "bad": ["down", "degraded"], "fail_after": 3, "ok_after": 2}
    return Engine([rule(when={"kind": "status"}, condition=condition | parts)])


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ("down down", [("pending", 0)]),
        ("down degraded down", [("pending", 0), ("fired", 2)]),
        ("down down up down down", [("pending", 0), ("dropped", 2), ("pending", 3)]),
        ("down down unknown down", [("pending", 0), ("fired", 3)]),
        ("down down down up down up", [("pending", 0), ("fired", 2)]),
        ("down down down up up", [("pending", 0), ("fired", 2), ("resolved", 4)]),
        ("down down down up unknown up", [("pending", 0), ("fired", 2), ("resolved", 5)]),
        ("up starting stopped up", []),
    ],
)
def test_streaks(states: str, expected: list[tuple[str, int]]) -> None:
    """Bad statuses fire, good ones resolve, only as many in a row as is asked for."""
    statuses = [status(ms, state) for ms, state in enumerate(states.split())]
    assert story(feed(watching(), *statuses)) == expected


def test_an_older_status_does_not_count() -> None:
    """A status that arrives after a newer one neither breaks nor prolongs a streak."""
    engine = watching()
    feed(engine, status(10, "down"), status(20, "down"))
    assert feed(engine, status(5, "down"), status(20, "down"), status(15, "up")) == []
    assert story(feed(engine, status(21, "down"))) == [("fired", 21)]


def test_instances_are_judged_apart() -> None:
    """Three instances that are down once each are not one that is down three times."""
    found = feed(watching(), *(status(n, "down", instance=f"a-{n}") for n in range(3)))
    assert [o.transition.value for o in found] == ["pending"] * 3


def test_the_reason_tells_the_streak() -> None:
    """The reason says the state, how often in a row, and what that is compared with."""
    engine = watching(fail_after=1)
    found = feed(engine, status(0, "down"), status(1, "up"), status(2, "up"))
    assert [o.reason for o in found] == [
        "down, 1 in a row (fires at 1)",
        "up, 2 in a row (resolves at 2)",
    ]


def test_an_instance_that_is_gone_is_resolved_and_forgotten() -> None:
    """The alert of an instance that was replaced does not burn for ever."""
    engine = watching(fail_after=1)
    feed(engine, status(0, "down"))
    assert engine.advance(NOON_MS + DAY - 1) == []
    found = engine.advance(NOON_MS + DAY + HOUR)
    assert story(found) == [("resolved", DAY)]
    assert found[0].reason == "no status any more"
    assert [entry.state for entry in engine.take_dirty()] == [None]


def test_unknown_is_bad_where_the_rule_says_so() -> None:
    """`bad` may list any state, `unknown` too."""
    engine = watching(bad="unknown", fail_after=1)
    assert story(feed(engine, status(0, "unknown"))) == [("fired", 0)]
