from collections.abc import Sequence

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from pulsebot.rules.conditions.base import Step, Verdict
from pulsebot.rules.conditions.threshold import MIN_KEPT, Recent, Threshold
from pulsebot.rules.engine import Engine
from pulsebot.rules.facts import Facts
from tests.rules.samples import (
    DAY,
    HOUR,
    MINUTE,
    NOON_MS,
    crash,
    feed,
    rule,
    story,
    threshold,
    trigger,
)

Weighed = Sequence[tuple[int, int]]


def holds(events: Weighed, count: int, within: int) -> bool:
    """Say by trying every window whether one of them holds enough: the oracle."""
    return any(
        sum(weight for ms, weight in events if end - within < ms <= end) >= count
        for end, _ in events
    )


def fires(events: Weighed, condition: Threshold) -> bool:
    """Say whether the condition fires at any of the events, in the order given."""
    state, fired = None, False
    for ms, weight in events:
        step = condition.observe(state, Facts(trigger(ms, weight), NOON_MS + ms), NOON_MS + HOUR)
        state, fired = step.state, fired or step.verdict is Verdict.FIRING
    return fired


def made(count: int, within: str) -> Threshold:
    """Make the condition."""
    return Threshold.model_validate(threshold(count, within))


weighed = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 3)), min_size=1, max_size=30)


@settings(deadline=None)
@given(weighed.flatmap(st.permutations), st.integers(1, 12), st.integers(1, 30))
def test_any_order_of_arrival_fires_exactly_when_a_window_holds_enough(
    minutes: Weighed, count: int, within: int
) -> None:
    """Whatever order events arrive in, it fires if and only if some window holds enough."""
    events = [(minute * MINUTE, weight) for minute, weight in minutes]
    assert fires(events, made(count, f"{within}m")) is holds(events, count, within * MINUTE)


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.tuples(st.integers(0, 1500), st.integers(0, 99)), min_size=100, max_size=400),
    st.integers(40, 60),
)
def test_events_late_by_less_than_the_window_always_find_their_neighbours(
    happened: Sequence[tuple[int, int]], count: int
) -> None:
    """With more events than are kept, those late by less than a window are judged exactly."""
    within = 100
    arrived = sorted(happened, key=lambda found: found[0] + found[1])
    events = [(ms, 1) for ms, _ in arrived]
    assert fires(events, made(count, f"{within}ms")) is holds(events, count, within)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 3)), min_size=1, max_size=150))
def test_the_newest_window_is_kept_up_to_date(events: Weighed) -> None:
    """The running sum is what adding up would give, whatever is late, pruned or repeated."""
    condition, state = made(5, "10ms"), None
    for ms, weight in events:
        state = condition.observe(state, Facts(trigger(ms, weight), NOON_MS + ms), NOON_MS).state
        assert state is not None
        newest = [time_ms > state.times[-1] - 10 for time_ms in state.times]
        assert state.start == newest.index(True)
        assert state.total == sum(w for w, new in zip(state.weights, newest, strict=True) if new)


def test_a_window_is_half_open() -> None:
    """Events exactly `within` apart are not in one window."""
    assert not fires([(0, 1), (10 * MINUTE, 1)], made(2, "10m"))
    assert fires([(1, 1), (10 * MINUTE, 1)], made(2, "10m"))


def test_a_triggers_count_is_its_weight() -> None:
    """One event that stands for five fires a threshold of five."""
    engine = Engine([rule(when={"kind": "trigger"}, condition=threshold(5))])
    found = feed(engine, trigger(0, count=1234))
    assert found[0].reason == "1,234 triggers within 10m (threshold 5)"
    assert found[0].alert is not None
    assert found[0].alert.count == 1234


def test_it_resolves_when_the_newest_window_runs_dry() -> None:
    """Each further event prolongs the episode; it ends when fewer than enough are left."""
    engine = Engine([rule(condition=threshold(2, "10m"))])
    minutes = [0, 1, 8, 9, 17]
    found = feed(engine, *(crash(minute * MINUTE) for minute in minutes))
    found += engine.advance(NOON_MS + DAY)
    assert story(found) == [("fired", MINUTE), ("resolved", 19 * MINUTE)]
    assert found[1].reason == "1 crash within 10m (threshold 2)"


def test_a_burst_that_arrives_late_fires_and_is_over_at_once() -> None:
    """Crashes that a cut-off crawler delivers late are told although they are history."""
    engine = Engine([rule(condition=threshold(3, "10m"))])
    feed(engine, crash(40 * MINUTE))
    late = [crash(minute * MINUTE) for minute in (5, 6, 7)]
    now_ms = NOON_MS + 41 * MINUTE
    found = [o for e in late for o in engine.process(e, now_ms, e.time_ms)]
    found += engine.advance(now_ms + 1000)
    assert story(found) == [("fired", 41 * MINUTE), ("resolved", 41 * MINUTE + 1)]


def test_an_episode_that_is_over_is_not_told_again_by_a_straggler() -> None:
    """A late event of a burst that was told and resolved does not fire a second time."""
    engine = Engine([rule(condition=threshold(3, "10m"))])
    feed(engine, crash(0), crash(MINUTE), crash(2 * MINUTE))
    assert story(engine.advance(NOON_MS + 20 * MINUTE)) == [("resolved", 10 * MINUTE)]
    straggler = crash(MINUTE // 2 - 5 * MINUTE)
    assert engine.process(straggler, NOON_MS + 21 * MINUTE, straggler.time_ms) == []


def test_state_stays_small_however_many_events_come() -> None:
    """A busy key keeps no more entries than a bound that follows from the threshold."""
    condition, state = made(5, "1h"), None
    for ms in range(5000):
        step: Step[Recent] = condition.observe(state, Facts(trigger(ms), NOON_MS + ms), NOON_MS)
        state = step.state
    assert state is not None
    assert len(state.times) == len(state.weights) == MIN_KEPT
    assert len(msgspec.msgpack.encode(state)) < 1000


def test_counts_stay_within_what_can_be_kept() -> None:
    """Absurd counts at one moment do not overflow the kept state."""
    condition, state = made(1, "1h"), None
    for _ in range(50):
        state = condition.observe(state, Facts(trigger(0, 10**12), NOON_MS), NOON_MS).state
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=Recent) == state


def test_keys_are_counted_apart() -> None:
    """Events of different services, or tags, do not add up."""
    condition = threshold(2, by=["service", {"tag": "env"}])
    engine = Engine([rule(condition=condition)])
    found = feed(engine, crash(0, tags={"env": "a"}), crash(1, tags={"env": "b"}), crash(2, "x"))
    assert found == []
    found = feed(engine, crash(3, tags={"env": "b"}))
    assert found[0].key == (("service", "svc-a"), ("tags.env", "b"))
