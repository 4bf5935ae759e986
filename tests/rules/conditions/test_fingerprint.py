from typing import Any

import pytest
from pydantic import ValidationError

from pulsebot.rules.engine import Engine
from tests.rules.samples import DAY, HOUR, NOON_MS, crash, feed, rule, story


def watching(**parts: Any) -> Engine:
    """Watch crashes for new ones and regressions."""
    return Engine([rule(condition={"type": "fingerprint"} | parts)])


def test_a_crash_never_seen_is_new_and_told_once() -> None:
    """The same crash again belongs to the episode; another error is another crash."""
    found = feed(watching(), crash(0), crash(1), crash(2, error="KeyError"))
    assert story(found) == [("fired", 0), ("fired", 2)]
    assert found[0].reason == "never seen before"
    assert [field for field, _ in found[0].key] == ["service", "fingerprint"]


def test_the_episode_ends_after_the_quiet_time() -> None:
    """The quiet time counts from the last crash, not from the first."""
    engine = watching(regression_after="1h")
    feed(engine, crash(0), crash(HOUR // 2))
    found = engine.advance(NOON_MS + DAY)
    assert story(found) == [("resolved", HOUR + HOUR // 2)]
    assert found[0].reason == "not seen for 1h"
    assert found[0].alert is not None
    assert found[0].alert.count == 2


def test_a_crash_that_is_back_is_a_regression() -> None:
    """After the quiet time the same crash is told again, with how long it was quiet."""
    found = feed(watching(), crash(0), crash(3 * DAY + 5))
    assert story(found) == [("fired", 0), ("resolved", DAY), ("fired", 3 * DAY + 5)]
    assert found[2].reason == "back after 3d of quiet"


def test_a_late_crash_does_not_make_the_newer_one_forgotten() -> None:
    """The quiet time counts from the newest crash, whatever arrives after it."""
    engine = watching(regression_after="1h")
    now_ms = NOON_MS + HOUR // 2
    assert story(feed(engine, crash(HOUR // 2))) == [("fired", HOUR // 2)]
    assert engine.process(crash(0), now_ms, NOON_MS) == []
    assert story(engine.advance(NOON_MS + DAY)) == [("resolved", HOUR + HOUR // 2)]


def test_an_open_episode_ends_by_logical_time_only() -> None:
    """A crash whose clock is ahead belongs to the episode that is still open."""
    engine = watching(on="new", regression_after="1m")
    feed(engine, crash(0))
    ahead = crash(5 * 60_000)
    assert engine.process(ahead, NOON_MS + 1000, ahead.time_ms) == []
    assert story(engine.advance(NOON_MS + HOUR)) == [("resolved", 6 * 60_000)]


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        ("new", [("fired", 0), ("resolved", DAY)]),
        ("regression", [("fired", 2 * DAY)]),
    ],
)
def test_on_chooses_what_is_told(on: str, expected: list[tuple[str, int]]) -> None:
    """What `on` does not list is remembered, but not told."""
    assert story(feed(watching(on=[on]), crash(0), crash(2 * DAY))) == expected


def test_a_crash_is_new_again_after_it_was_forgotten() -> None:
    """What was seen is remembered for `forget_after`, however quiet it is."""
    engine = watching(on="new", forget_after="30d")
    assert story(feed(engine, crash(0), crash(29 * DAY))) == [("fired", 0), ("resolved", DAY)]
    found = feed(engine, crash(60 * DAY))
    assert story(found) == [("fired", 60 * DAY)]


def test_services_do_not_share_what_they_have_seen() -> None:
    """The same fingerprint in another service is new there, whatever `by` says."""
    engine = watching(by="error")
    found = feed(engine, crash(0, fingerprint="f"), crash(1, "svc-b", fingerprint="f"))
    assert story(found) == [("fired", 0), ("fired", 1)]


def test_it_must_not_forget_before_a_regression_is_possible() -> None:
    """A rule that could never find a regression is refused."""
    with pytest.raises(ValidationError, match="must not be shorter"):
        watching(regression_after="2d", forget_after="1d")
