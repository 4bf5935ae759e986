from collections import defaultdict
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulsebot.event import Event
from pulsebot.rules.alert import Transition
from pulsebot.rules.engine import Engine, Entry, Outcome
from pulsebot.rules.rule import Rule
from tests.rules.samples import (
    DAY,
    HOUR,
    MINUTE,
    NOON_MS,
    crash,
    feed,
    rule,
    status,
    story,
    threshold,
    trigger,
)

SOME_RULES = (
    rule("every-down", when={"kind": "status", "state": "down"}),
    rule("loop", condition=threshold(3, "2m")),
    rule("new", condition={"type": "fingerprint", "regression_after": "5m", "forget_after": "9m"}),
    rule(
        "unwell",
        when={"kind": "status"},
        condition={"type": "state", "fail_after": 2, "ok_after": 2, "forget_after": "10m"},
    ),
    rule("busy", when={"kind": ["trigger", "crash"]}, condition=threshold(4, "1m")),
)


Script = Sequence[tuple[int, Event | None]]

times = st.integers(0, 40 * MINUTE)
happenings = st.one_of(
    times.map(lambda ms: (ms, crash(ms))),
    times.map(lambda ms: (ms, crash(ms, "svc-b", error="KeyError"))),
    st.builds(lambda ms, s: (ms, status(ms, s)), times, st.sampled_from(["up", "down", "unknown"])),
    st.builds(lambda ms, n: (ms, trigger(ms, n)), times, st.integers(1, 4)),
    times.map(lambda ms: (ms, None)),
)
scripts = st.lists(happenings, max_size=40).map(lambda found: sorted(found, key=lambda f: f[0]))


def play(engine: Engine, script: Script) -> list[Outcome]:
    """Run a script of events and ticks, then let an hour pass."""
    found: list[Outcome] = []
    for ms, event in script:
        now_ms = NOON_MS + ms
        found += engine.process(event, now_ms, event.time_ms) if event else engine.advance(now_ms)
    return found


def ending(engine: Engine) -> list[Outcome]:
    """Let three hours pass after the last minute of any script."""
    return engine.advance(NOON_MS + 40 * MINUTE + 3 * HOUR)


def stories(found: list[Outcome]) -> dict[object, list[Outcome]]:
    """Return what was found by rule and key, each in its order."""
    told: dict[object, list[Outcome]] = defaultdict(list)
    for outcome in found:
        rule_id = outcome.rule.id if outcome.rule else None
        told[rule_id, outcome.key].append(outcome)
    return told


def keep(kept: dict[tuple[str, object], Entry], engine: Engine) -> None:
    """Do what the store does with the entries that changed."""
    for entry in engine.take_dirty():
        if entry.state is None:
            kept.pop((entry.rule_id, entry.key), None)
        else:
            kept[entry.rule_id, entry.key] = entry


def test_an_event_that_no_rule_selects_finds_nothing() -> None:
    """An event of another kind or service leaves no trace."""
    engine = Engine([rule(when={"kind": "crash", "service": "svc-b"}, condition=threshold(1))])
    assert feed(engine, trigger(), crash()) == []
    assert engine.take_dirty() == []


def test_any_tells_every_event() -> None:
    """Condition `any` gives one finding for each event and keeps nothing."""
    engine = Engine([rule()])
    found = feed(engine, crash(0), crash(1))
    assert [(o.transition, o.event and o.event.id) for o in found] == [
        (Transition.EVENT, "c0"),
        (Transition.EVENT, "c1"),
    ]
    assert engine.take_dirty() == []


def test_rules_find_in_their_order() -> None:
    """One event that several rules select gives their findings in the order of the rules."""
    engine = Engine([rule("z"), rule("a"), rule("m")])
    assert [o.rule and o.rule.id for o in feed(engine, crash())] == ["z", "a", "m"]


def test_an_episode_fires_once_and_resolves_at_its_own_time() -> None:
    """A late tick resolves an alert as of when it was over, not as of the tick."""
    engine = Engine([rule(condition=threshold(2, "10m"))])
    found = feed(engine, crash(0), crash(MINUTE), crash(2 * MINUTE))
    assert story(found) == [("fired", MINUTE)]
    found = engine.advance(NOON_MS + HOUR)
    assert story(found) == [("resolved", 11 * MINUTE)]
    assert found[0].alert is not None
    assert found[0].alert.count == 3


def test_an_event_makes_what_was_due_before_it_happen_first() -> None:
    """An episode that was over before the next event is not prolonged by it."""
    engine = Engine([rule(condition=threshold(2, "10m"))])
    found = feed(engine, crash(0), crash(1), crash(HOUR), crash(HOUR + 1))
    assert story(found) == [("fired", 1), ("resolved", 10 * MINUTE), ("fired", HOUR + 1)]
    ids = [o.alert.id for o in found if o.alert]
    assert ids[0] == ids[1] != ids[2]


def test_another_key_s_event_does_not_let_time_pass() -> None:
    """A partition that is ahead does not end the episodes of one that is behind."""
    engine = Engine([rule(condition=threshold(2, "10m"))])
    feed(engine, crash(0), crash(1))
    assert feed(engine, crash(HOUR, "svc-b")) == []
    assert story(engine.advance(NOON_MS + HOUR)) == [("resolved", 10 * MINUTE)]


def test_deadlines_happen_in_order_of_time_then_rule_then_key() -> None:
    """What is due at the same time is told in an order that does not depend on arrival."""
    rules = [rule("b", condition=threshold(1, "1m")), rule("a", condition=threshold(1, "1m"))]
    engine = Engine(rules)
    feed(engine, crash(0, "y"), crash(0, "x"))
    found = engine.advance(NOON_MS + HOUR)
    assert [o.alert and (o.alert.rule, o.key[0][1]) for o in found] == [
        ("a", "x"),
        ("a", "y"),
        ("b", "x"),
        ("b", "y"),
    ]


def test_a_pending_alert_that_clears_is_dropped() -> None:
    """What became well before it fired is told as dropped, never as resolved."""
    condition = {"type": "state", "fail_after": 2}
    engine = Engine([rule(when={"kind": "status"}, condition=condition)])
    found = feed(engine, status(0, "down"), status(1, "up"))
    assert story(found) == [("pending", 0), ("dropped", 1)]
    assert all(o.alert and o.alert.state == "pending" for o in found)


def test_keys_are_bounded_and_the_refusal_is_told_once() -> None:
    """A key beyond the bound is refused with a reason, once, until there is room."""
    engine = Engine([rule(condition=threshold(2, "1m"))], max_keys=2)
    found = feed(engine, *(crash(0, f"svc-{n}") for n in range(5)))
    assert [o.transition for o in found] == [Transition.REFUSED]
    assert "follows 2 keys already" in found[0].reason
    engine.advance(NOON_MS + DAY)
    assert feed(engine, crash(DAY), crash(DAY + 1))[0].transition is Transition.FIRED


def test_quiet_keys_leave_nothing_behind() -> None:
    """A key that was quiet for long is deleted, in memory and in what is kept."""
    engine = Engine(SOME_RULES)
    kept: dict[tuple[str, object], Entry] = {}
    feed(engine, crash(0), crash(1), crash(2), status(3, "down"), trigger(4, 9))
    keep(kept, engine)
    assert kept
    engine.advance(NOON_MS + 100 * DAY)
    keep(kept, engine)
    assert kept == {}


def test_a_key_stands_in_the_heap_once_however_often_it_is_seen() -> None:
    """A million events of one key do not grow the list of deadlines."""
    engine = Engine([rule(condition=threshold(10, "1m"))])
    feed(engine, *(crash(ms) for ms in range(1000)))
    assert len(engine._heap) <= 2


@settings(deadline=None)
@given(scripts, st.integers(0, 40))
def test_a_restart_anywhere_changes_nothing(script: Script, cut: int) -> None:
    """What is found after a restart from what was kept is what would have been found without."""
    whole = Engine(SOME_RULES)
    expected = play(whole, script) + ending(whole)

    kept: dict[tuple[str, object], Entry] = {}
    first, second = Engine(SOME_RULES), Engine(SOME_RULES)
    found = play(first, script[:cut])
    keep(kept, first)
    second.load(kept.values())
    found += play(second, script[cut:]) + ending(second)
    assert found == expected


@settings(deadline=None)
@given(scripts, st.sets(times, max_size=8))
def test_ticks_between_events_change_nothing(script: Script, ticks: set[int]) -> None:
    """Where a batch ends, and so when time is told to pass, does not change any key's story."""
    plain, ticked = Engine(SOME_RULES), Engine(SOME_RULES)
    more = sorted([*script, *((ms, None) for ms in ticks)], key=lambda f: f[0])
    without = stories(play(plain, script) + ending(plain))
    assert without == stories(play(ticked, more) + ending(ticked))


@settings(deadline=None)
@given(scripts)
def test_whatever_fired_is_resolved_once(script: Script) -> None:
    """Every alert that fired resolves exactly once, after it fired."""
    engine = Engine(SOME_RULES)
    found = play(engine, script) + ending(engine)
    fired = [o.alert.id for o in found if o.alert and o.transition is Transition.FIRED]
    resolved = [o.alert.id for o in found if o.alert and o.transition is Transition.RESOLVED]
    assert sorted(fired) == sorted(resolved)
    assert len(set(fired)) == len(fired)


def firing(*rules: Rule) -> Engine:
    """Return an engine in which a loop of crashes is firing."""
    engine = Engine(rules)
    assert [o.transition for o in feed(engine, crash(0), crash(1), crash(2))] == [Transition.FIRED]
    engine.take_dirty()
    return engine


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ([], "the rule was removed"),
        ([rule("loop", condition=threshold(4))], "the rule was changed"),
        ([rule("loop", condition=threshold(3), when={"kind": "crash", "service": "b"})], "changed"),
    ],
)
def test_alerts_of_removed_or_changed_rules_are_resolved(rules: list[Rule], reason: str) -> None:
    """If firing was sent, resolved is sent too, although the rule is not there any more."""
    engine = firing(rule("loop", condition=threshold(3)))
    engine.reload(rules)
    assert engine.take_dirty() == []
    found = engine.advance(NOON_MS + MINUTE)
    assert story(found) == [("resolved", MINUTE)]
    assert reason in found[0].reason
    assert found[0].alert is not None
    assert found[0].alert.fields["error"] == "ValueError"
    assert [(e.rule_id, e.state) for e in engine.take_dirty()] == [("loop", None)]
    assert engine.advance(NOON_MS + DAY) == []


def test_a_changed_text_or_severity_keeps_the_state() -> None:
    """A reload that changes nothing about when a rule fires resets nothing."""
    engine = firing(rule("loop", condition=threshold(3)))
    engine.reload([rule("loop", condition=threshold(3), severity="info", text="other")])
    assert story(engine.advance(NOON_MS + HOUR)) == [("resolved", 10 * MINUTE)]


def test_a_rule_that_changed_while_stopped_is_treated_as_reloaded() -> None:
    """What was kept for a rule that decides differently now is resolved after the start."""
    kept: dict[tuple[str, object], Entry] = {}
    before = Engine([rule("loop", condition=threshold(1)), rule("gone", condition=threshold(2))])
    feed(before, crash(0))
    keep(kept, before)
    after = Engine([rule("loop", condition=threshold(5))])
    after.load(kept.values())
    found = feed(after, crash(MINUTE))
    assert [(o.transition, o.reason) for o in found] == [
        (Transition.RESOLVED, "the rule was changed")
    ]
    keep(kept, after)
    assert [entry.rule_id for entry in kept.values()] == ["loop"]


def test_state_that_cannot_be_read_is_dropped_like_that_of_a_changed_rule() -> None:
    """Broken bytes in the store do not stop the bot."""
    engine = Engine([rule("loop", condition=threshold(2))])
    engine.load([Entry("loop", (("service", "svc-a"),), b"\xc1", None, None)])
    assert story(feed(engine, crash(0), crash(1))) == [("fired", 1)]


def test_an_alert_has_the_same_id_wherever_it_is_decided() -> None:
    """Two engines that see the same events name their alerts alike."""
    one, other = (
        firing(rule("loop", condition=threshold(3))),
        Engine([rule("loop", condition=threshold(3))]),
    )
    found = feed(other, crash(0), crash(1), crash(2))
    resolved = one.advance(NOON_MS + HOUR)
    assert [o.alert.id for o in found if o.alert] == [o.alert.id for o in resolved if o.alert]
    assert found
