from hypothesis import given, settings
from hypothesis import strategies as st

from pulsebot.rules.alert import (
    Alert,
    Key,
    Origin,
    Transition,
    alert_id,
    decode,
    encode,
    key_of,
    key_text,
    transition,
)
from pulsebot.rules.conditions.base import Step, Verdict
from pulsebot.rules.facts import Facts
from tests.rules.samples import NOON_MS, rule, status

KEY: Key = (("service", "svc-a"), ("instance", "a-1"))
ORIGIN = Origin(
    rule(when={"kind": "status"}, labels={"team": "core"}),
    KEY,
    Facts(status(0, "degraded", tags={"env": "prod"}), NOON_MS),
)
LATER = ORIGIN._replace(facts=Facts(status(5, "down"), NOON_MS + 5))

keys = st.lists(st.tuples(st.text(), st.text())).map(tuple)


def become(alert: Alert | None, verdict: Verdict, origin: Origin | None = ORIGIN) -> Alert | None:
    """Return what an alert becomes by one event."""
    return transition(alert, Step(None, verdict, verdict.value, None, 1), origin, NOON_MS + 9)[0]


def test_pending_becomes_firing_with_what_the_latest_event_said() -> None:
    """The alert keeps its id and start, counts on, and tells of the event that made it fire."""
    pending = become(None, Verdict.PENDING)
    fired = become(pending, Verdict.FIRING, LATER)
    assert pending is not None
    assert fired is not None
    assert (pending.state, fired.state, fired.fired_ms) == ("pending", "firing", NOON_MS + 9)
    assert (fired.id, fired.started_ms, fired.count) == (pending.id, pending.started_ms, 2)
    assert (pending.fields["state"], fired.fields["state"]) == ("degraded", "down")
    assert (fired.labels, fired.last_ms) == ({"team": "core"}, NOON_MS + 5)


def test_a_firing_alert_is_updated_and_stays_firing() -> None:
    """Neither another firing nor a pending step changes the state of a firing alert."""
    fired = become(None, Verdict.FIRING)
    for verdict in (Verdict.FIRING, Verdict.PENDING):
        updated, change = transition(fired, Step(None, verdict), LATER, NOON_MS + 10)
        assert updated is not None
        assert (updated.state, change) == ("firing", Transition.UPDATED)
        assert updated.reason == "firing"


def test_clear_resolves_what_fired_and_drops_what_did_not() -> None:
    """Only an alert that fired is told to be over."""
    resolved = become(become(None, Verdict.FIRING), Verdict.CLEAR)
    assert resolved is not None
    assert (resolved.state, resolved.resolved_ms, resolved.reason) == (
        "resolved", NOON_MS + 9, "clear",
    )  # fmt: skip
    clear = Step(None, Verdict.CLEAR)
    assert transition(become(None, Verdict.PENDING), clear, None, 0) == (None, Transition.DROPPED)
    assert transition(None, clear, ORIGIN, 0) == (None, Transition.NONE)


def test_passing_time_alone_starts_no_alert() -> None:
    """Without an event there is nothing that a new alert could be about."""
    assert transition(None, Step(None, Verdict.FIRING), None, 0) == (None, Transition.NONE)


def test_an_alert_survives_being_kept() -> None:
    """Encoding and decoding gives an equal alert."""
    fired = become(None, Verdict.FIRING)
    assert fired is not None
    assert decode(encode(fired)) == fired


@settings(deadline=None)
@given(keys)
def test_a_key_survives_being_text(key: Key) -> None:
    """Any key, whatever characters are in it, is read back as it was."""
    assert key_of(key_text(key)) == key


def test_ids_differ_by_rule_key_and_start() -> None:
    """Episodes that differ in anything have different ids."""
    ids = {alert_id("a", KEY, 1), alert_id("b", KEY, 1), alert_id("a", KEY[:1], 1)}
    assert len(ids | {alert_id("a", KEY, 2)}) == 4
