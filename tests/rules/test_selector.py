from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
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
    when = Selector.model_validate({"kind": "crash", "error": "ValueError"})
    lane = lanes([(when, 1)])[type(crash())]
    for ms in range(10):
        assert lane.find(crash(ms, f"svc-{ms}", message=str(ms))) == (1,)
        assert lane.find(crash(ms, error="KeyError")) == ()
    assert lane._others
    assert len(lane._others._remembered) == 2


@given(
    st.lists(st.lists(st.sampled_from(["svc-a", "svc-b", "svc-c"]), max_size=2), max_size=5),
    st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("ef")), max_size=10),
)
def test_finding_by_service_agrees_with_asking_each_selector(
    named: list[list[str]], fed: list[tuple[str, str]]
) -> None:
    """Whatever services the selectors name, those are found that take the event, in order."""
    selected = [
        (Selector.model_validate({"kind": "crash", "tags": {"t": "e"}} | extra), number)
        for number, services in enumerate(named)
        for extra in [{"service": services} if services else {}]
    ]
    lane = lanes(selected).get(type(crash()))
    for letter, tag in fed:
        event = crash(0, f"svc-{letter}", tags={"t": tag})
        values = {"service": event.service}
        wanted = tuple(n for s, n in selected if s.accepts(values, event.data.tags))
        assert (lane.find(event) if lane else ()) == wanted


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Endless distinct attributes do not fill the memory, and verdicts stay right."""
    monkeypatch.setattr(selector, "MAX_REMEMBERED", 3)
    lane = lanes([(Selector.model_validate({"kind": "crash", "error": "E1"}), 1)])[type(crash())]
    found = [lane.find(crash(0, error=f"E{n % 5}")) for n in range(10)]
    assert found == [(), (1,), (), (), ()] * 2
    assert lane._others
    assert len(lane._others._remembered) <= 3


def test_a_field_that_the_kind_does_not_have_is_refused() -> None:
    """A selector that could never match is an error when it is read."""
    with pytest.raises(ValidationError, match="`error` is a field of crash events only"):
        Selector.model_validate({"kind": "status", "error": "ValueError"})
