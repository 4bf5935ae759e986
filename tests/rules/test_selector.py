from typing import Any

import pytest
from pydantic import ValidationError

from pulsebot import event as events
from pulsebot.event import Event, MessageData
from pulsebot.rules import selector
from pulsebot.rules.selector import Selector, lanes
from tests.rules.samples import NOON, crash, status, trigger


def chosen(event: Event, **when: Any) -> bool:
    """Say whether a selector takes an event."""
    lane = lanes([(Selector.model_validate(when), "rule")]).get(type(event))
    return lane is not None and lane.find(event) == ("rule",)


MESSAGE = events.message("svc-a", NOON, MessageData(text="hi", level="error"))


@pytest.mark.parametrize(
    ("event", "when", "taken"),
    [
        (crash(), {"kind": "crash"}, True),
        (crash(), {"kind": ["status", "crash"]}, True),
        (crash(), {"kind": "status"}, False),
        (crash(), {"kind": "crash", "service": ["svc-b", "svc-a"]}, True),
        (crash(), {"kind": "crash", "service": "svc-b"}, False),
        (crash(), {"kind": "crash", "instance": "a-1"}, False),
        (crash(), {"kind": "crash", "error": "ValueError"}, True),
        (crash(tags={"env": "prod"}), {"kind": "crash", "tags": {"env": "prod"}}, True),
        (crash(tags={"env": "prod"}), {"kind": "crash", "tags": {"env": ["a", "b"]}}, False),
        (crash(), {"kind": "crash", "tags": {"env": "prod"}}, False),
        (status(0, "down"), {"kind": "status", "state": ["down"], "instance": "a-1"}, True),
        (status(0, "up"), {"kind": "status", "state": "down"}, False),
        (trigger(name="order"), {"kind": "trigger", "name": "order"}, True),
        (trigger(), {"kind": "trigger", "name": "order"}, False),
        (MESSAGE, {"kind": "message", "level": ["error", "critical"]}, True),
        (MESSAGE, {"kind": "message", "level": "info"}, False),
    ],
)
def test_keys_are_and_and_lists_are_or(event: Event, when: dict[str, Any], taken: bool) -> None:  # noqa: FBT001 - a column of the table above
    """An event must have one of the values of every key, and a missing attribute has none."""
    assert chosen(event, **when) is taken


def test_a_verdict_is_remembered_per_distinct_attributes() -> None:
    """Events that agree in what the selectors look at are judged once."""
    when = Selector.model_validate({"kind": "crash", "service": "svc-a"})
    lane = lanes([(when, 1)])[type(crash())]
    for ms in range(10):
        assert lane.find(crash(ms, message=str(ms))) == (1,)
        assert lane.find(crash(ms, "svc-b")) == ()
    assert len(lane._remembered) == 2


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Endless distinct attributes do not fill the memory, and verdicts stay right."""
    monkeypatch.setattr(selector, "MAX_REMEMBERED", 3)
    lane = lanes([(Selector.model_validate({"kind": "crash", "service": "s-1"}), 1)])[type(crash())]
    assert [lane.find(crash(0, f"s-{n % 5}")) for n in range(10)] == [(), (1,), (), (), ()] * 2
    assert len(lane._remembered) <= 3


def test_a_field_that_the_kind_does_not_have_is_refused() -> None:
    """A selector that could never match is an error when it is read."""
    with pytest.raises(ValidationError, match="`error` is a field of crash events only"):
        Selector.model_validate({"kind": "status", "error": "ValueError"})
