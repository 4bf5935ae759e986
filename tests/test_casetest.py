from typing import Any

from pulsebot.casetest import Case, run_case
from pulsebot.routing.route import Route
from tests.rules.samples import rule, threshold

ROUTES = [Route.model_validate({"match": {}, "to": ["console", "slack:#x"], "then": "stop"})]
LOOP = rule("loop", condition=threshold(2, "10m"))


def differences(expect: list[dict[str, Any]], after: list[str], until: str = "0s") -> list[str]:
    """Run a test of crashes at these times against one threshold rule."""
    events = [{"kind": "crash", "service": "s", "error": "E", "after": ms} for ms in after]
    case = {"name": "t", "at": "2026-03-29T02:30:00+02:00", "events": events, "expect": expect}
    return run_case(Case.model_validate(case | {"until": until}), [LOOP], ROUTES)


BOTH = ["console", "slack:#x"]


def test_a_test_that_holds_has_no_differences() -> None:
    """What was expected came, to every receiver, and nothing else did."""
    assert differences([{"rule": "loop", "to": BOTH}], ["0s", "9m"]) == []
    assert differences([], ["0s", "11m"]) == []


def test_events_may_be_written_in_any_order() -> None:
    """The clock follows `after`, not the order of the lines."""
    assert differences([], ["22m", "0s", "11m"]) == []
    twice = rule("r", when={"kind": "status"}, condition={"type": "state", "fail_after": 2})
    events = [
        {"kind": "status", "service": "s", "state": "down", "after": after}
        for after in ("1m", "0s")
    ]
    expect = [{"rule": "r", "to": BOTH}]
    case = {"name": "t", "at": "2026-11-23T10:00:00Z", "events": events, "expect": expect}
    assert run_case(Case.model_validate(case), [twice], ROUTES) == []


def test_until_lets_alerts_resolve() -> None:
    """Time passes to `until` after the start, and no further."""
    fired = {"rule": "loop", "to": BOTH}
    assert differences([fired], ["0s", "1m"], "9m") == []
    resolved = {"rule": "loop", "to": BOTH, "state": "resolved"}
    assert differences([fired, resolved], ["0s", "1m"], "10m") == []


def test_a_missing_receiver_and_a_needless_one_are_both_told() -> None:
    """The comparison is exact in both directions."""
    assert differences([{"rule": "loop", "to": ["console", "slack:#y"]}], ["0s", "9m"]) == [
        "expected, but did not come: loop (firing) to slack:#y",
        "came, but was not expected: loop (firing) to slack:#x",
    ]
