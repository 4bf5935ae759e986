from typing import Any

import pytest
from pydantic import ValidationError

from pulsebot.routing.route import NO_MATCH, Match, Route, Subject, route

CRASH = Subject(
    rule="new-crash",
    severity="critical",
    kind="crash",
    service="svc-a",
    tags={"env": "prod"},
    labels={"team": "core"},
)


def routes(*written: tuple[dict[str, Any], list[str], str]) -> list[Route]:
    """Make routes out of (match, to, then)."""
    return [Route.model_validate({"match": m, "to": to, "then": then}) for m, to, then in written]


def test_the_first_route_that_matches_and_stops_ends_the_search() -> None:
    """A later route is not looked at after `then: stop`."""
    listed = routes(({}, ["slack:#crash"], "stop"), ({}, ["console"], "stop"))
    assert route(listed, CRASH).receivers == ("slack:#crash",)


def test_continue_adds_the_receivers_of_later_routes_each_once() -> None:
    """Receivers come in the order of the routes, without repetition."""
    listed = routes(
        ({"kind": "crash"}, ["slack:#crash", "console"], "continue"),
        ({"kind": "status"}, ["telegram:ops"], "stop"),
        ({}, ["console", "telegram:oncall"], "stop"),
    )
    routed = route(listed, CRASH)
    assert routed.receivers == ("slack:#crash", "console", "telegram:oncall")
    assert routed.matched == (0, 2)
    assert routed.reason == "matched route 1, 3"


def test_no_match_says_so() -> None:
    """What no route wants has a reason, and no receiver."""
    routed = route(routes(({"kind": "status"}, ["console"], "stop")), CRASH)
    assert (routed.receivers, routed.matched, routed.reason) == ((), (), NO_MATCH)


@pytest.mark.parametrize(
    ("match", "accepted"),
    [
        ({}, True),
        ({"severity": "critical"}, True),
        ({"severity": ["info", "critical"]}, True),
        ({"severity": "critical", "service": "svc-b"}, False),
        ({"rule": ["a", "new-crash"]}, True),
        ({"kind": "message"}, False),
        ({"level": "info"}, False),
        ({"tags": {"env": "prod"}}, True),
        ({"tags": {"env": ["test", "prod"], "region": "eu"}}, False),
        ({"labels": {"team": "core"}}, True),
        ({"labels": {"team": "web"}}, False),
    ],
)
def test_keys_are_and_and_lists_are_or(match: dict[str, Any], accepted: bool) -> None:  # noqa: FBT001 - a column of the table above
    """A subject must have one of the values of every key."""
    assert Match.model_validate(match).accepts(CRASH) is accepted


@pytest.mark.parametrize(
    ("wide", "narrow", "covers"),
    [
        ({}, {"severity": "info"}, True),
        ({"severity": "info"}, {}, False),
        ({"severity": ["info", "error"]}, {"severity": "info", "kind": "crash"}, True),
        ({"severity": "info"}, {"severity": ["info", "error"]}, False),
        ({"tags": {"env": ["a", "b"]}}, {"tags": {"env": "a", "x": "y"}}, True),
        ({"tags": {"env": "a"}}, {"labels": {"env": "a"}}, False),
    ],
)
def test_covering(wide: dict[str, Any], narrow: dict[str, Any], covers: bool) -> None:  # noqa: FBT001 - a column of the table above
    """A match covers another when it accepts all that the other can accept."""
    assert Match.model_validate(wide).covers(Match.model_validate(narrow)) is covers


def test_then_is_mandatory() -> None:
    """A route must say whether later ones are looked at."""
    with pytest.raises(ValidationError, match="then"):
        Route.model_validate({"match": {}, "to": "console"})
