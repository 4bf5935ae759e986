"""The engine: events and passing time in, findings out.

It keeps the state of every rule and key, and the deadlines. What it finds is a function of
the events and ticks it was given, in their order, and of nothing else: not of where a batch
ended, nor of a restart in between. Persisting is the caller's business: `take_dirty` gives
what changed, `load` takes it back. This module must not know storage, routes or chats.
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from pulsebot.event import Event
from pulsebot.rules.alert import Alert, Key, Origin, Transition, transition
from pulsebot.rules.conditions.base import Condition, Step, Verdict
from pulsebot.rules.facts import Facts
from pulsebot.rules.rule import Rule
from pulsebot.rules.selector import Lane, lanes

MAX_KEYS = 100_000
"""Keys that one rule follows at a time; further ones are refused, and that is told once."""

QUIET = frozenset({Transition.NONE, Transition.UPDATED})


@dataclass(frozen=True, slots=True)
class Outcome:
    """One finding. `rule` is None where the rule is no longer there; `at_ms` is logical."""

    rule: Rule | None
    transition: Transition
    alert: Alert | None
    event: Event | None
    key: Key
    reason: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Entry:
    """What must be kept of one rule and key; `state` None says: delete it."""

    rule_id: str
    key: Key
    state: bytes | None
    due_ms: int | None
    alert: Alert | None


@dataclass(slots=True)
class _Slot:
    """One key of one rule. `scheduled` is its place in the heap, at or before `due_ms`."""

    state: Any
    due_ms: int | None = None
    alert: Alert | None = None
    scheduled: int | None = None


class _Run:
    """One rule at work: its parameters and all its keys."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.condition: Condition[Any] = rule.condition
        self.fields = tuple(rule.condition.key_fields())
        self.version = rule.version()
        self.slots: dict[Key, _Slot] = {}
        self.refusing = False


class Engine:
    """Evaluates rules, in their order. `max_keys` bounds the keys of each rule."""

    def __init__(self, rules: Sequence[Rule], *, max_keys: int = MAX_KEYS) -> None:
        self._max_keys = max_keys
        self._dirty: dict[tuple[str, Key], None] = {}
        self._orphans: list[tuple[Alert, str]] = []
        self._adopt(rules)

    def load(self, entries: Iterable[Entry]) -> None:
        """Take back what was kept, before the first event.

        What belongs to a rule that is gone or decides differently now is dropped; the next
        call of `process` or `advance` resolves its alerts.
        """
        for entry in entries:
            run = self._runs.get(entry.rule_id)
            state = _thaw(run, entry) if run else None
            if run is None or state is None:
                self._drop(entry, "changed" if run else "removed")
            else:
                run.slots[entry.key] = slot = _Slot(state, entry.due_ms, entry.alert)
                self._schedule(run, entry.key, slot)

    def reload(self, rules: Sequence[Rule]) -> None:
        """Go on with other rules; what decides the same as before keeps its state.

        Alerts of rules that are gone or decide differently are resolved by the next call of
        `process` or `advance`.
        """
        entries = [
            self._entry(rule_id, key) for rule_id, run in self._runs.items() for key in run.slots
        ]
        self._adopt(rules)
        self.load(entries)

    def concerns(self, event: Event) -> bool:
        """Tell whether `process` would do anything.

        The answer is the same for events of one kind with the same service, instance, tags,
        name, error, state and level.
        """
        lane = self._lanes.get(type(event))
        return bool(self._orphans or (lane and lane.find(event)))

    def process(self, event: Event, now_ms: int, time_ms: int) -> Sequence[Outcome]:
        """Evaluate one event: `now_ms` is logical time, `time_ms` the event's own, clamped.

        What was due up to `now_ms` for the keys of this event comes first. Other keys wait for
        `advance`: their events may lie in a partition that is further behind.
        """
        lane = self._lanes.get(type(event))
        runs = lane.find(event) if lane else ()
        if not (runs or self._orphans):
            return ()
        outcomes = self._resolve_orphans(now_ms)
        facts = Facts(event, time_ms)
        for run in runs:
            self._observe(run, facts, now_ms, outcomes)
        return outcomes

    def advance(self, now_ms: int) -> list[Outcome]:
        """Let time pass: every deadline up to `now_ms`, each at its own time, in order."""
        outcomes = self._resolve_orphans(now_ms)
        while self._heap and self._heap[0][0] <= now_ms:
            due_ms, rule_id, key = heapq.heappop(self._heap)
            run = self._runs[rule_id]
            slot = run.slots.get(key)
            if slot is None or slot.scheduled != due_ms:
                continue  # this place in the heap was given up
            slot.scheduled = None
            if slot.due_ms is not None and slot.due_ms > due_ms:
                self._schedule(run, key, slot)
                continue
            step = run.condition.elapse(slot.state, due_ms)
            if outcome := self._settle(run, key, step, None, due_ms):
                outcomes.append(outcome)
        return outcomes

    def take_dirty(self) -> list[Entry]:
        """Return what changed since the last call, to be kept with the events' offsets."""
        entries = [self._entry(rule_id, key) for rule_id, key in self._dirty]
        self._dirty.clear()
        return entries

    def _adopt(self, rules: Sequence[Rule]) -> None:
        self._runs = {rule.id: _Run(rule) for rule in rules}
        self._heap: list[tuple[int, str, Key]] = []
        self._lanes: dict[type[Event], Lane[_Run]] = lanes(
            (run.rule.when, run) for run in self._runs.values()
        )

    def _observe(self, run: _Run, facts: Facts, now_ms: int, outcomes: list[Outcome]) -> None:
        """Step one key of one rule to `now_ms` and over the event; add what is found."""
        key = tuple([(field, facts.value(field)) for field in run.fields])
        slot = self._catch_up(run, key, now_ms, outcomes)
        if slot is None and len(run.slots) >= self._max_keys:
            outcomes.extend(self._refuse(run, key, facts, now_ms))
            return
        step = run.condition.observe(slot.state if slot else None, facts, now_ms)
        if step.verdict is Verdict.EVENT:
            outcomes.append(
                Outcome(run.rule, Transition.EVENT, None, facts.event, key, step.reason, now_ms)
            )
        elif found := self._settle(run, key, step, facts, now_ms):
            outcomes.append(found)

    def _catch_up(self, run: _Run, key: Key, now_ms: int, outcomes: list[Outcome]) -> _Slot | None:
        """Let happen what was due for a key up to `now_ms`, each at its own time."""
        slot = run.slots.get(key)
        while slot is not None and slot.due_ms is not None and slot.due_ms <= now_ms:
            due_ms = slot.due_ms
            step = run.condition.elapse(slot.state, due_ms)
            if found := self._settle(run, key, step, None, due_ms):
                outcomes.append(found)
            slot = run.slots.get(key)
        return slot

    def _settle(
        self, run: _Run, key: Key, step: Step[Any], facts: Facts | None, now_ms: int
    ) -> Outcome | None:
        """Keep what a step says, and return the finding where there is one to tell."""
        slot = run.slots.get(key)
        was = slot.alert if slot else None
        if was is None and step.verdict is Verdict.CLEAR:
            self._keep(run, key, step, None, now_ms)
            return None
        origin = Origin(run.rule, key, facts) if facts else None
        alert, change = transition(was, step, origin, now_ms)
        self._keep(run, key, step, None if change is Transition.RESOLVED else alert, now_ms)
        if change in QUIET:
            return None
        event = facts.event if facts else None
        about = was if change is Transition.DROPPED else alert
        return Outcome(run.rule, change, about, event, key, step.reason, now_ms)

    def _keep(self, run: _Run, key: Key, step: Step[Any], alert: Alert | None, now_ms: int) -> None:
        slot = run.slots.get(key)
        if step.state is None:
            if slot is not None:
                self._dirty[run.rule.id, key] = None
                del run.slots[key]
                run.refusing = False
            return
        self._dirty[run.rule.id, key] = None
        if slot is None:
            slot = run.slots[key] = _Slot(step.state)
        slot.state, slot.alert = step.state, alert
        # A deadline is always later than now: time moves on, and episodes have distinct starts.
        slot.due_ms = None if step.due_ms is None else max(step.due_ms, now_ms + 1)
        self._schedule(run, key, slot)

    def _schedule(self, run: _Run, key: Key, slot: _Slot) -> None:
        """Put a key into the heap, unless it stands there at its due time or before."""
        if slot.due_ms is None or (slot.scheduled is not None and slot.scheduled <= slot.due_ms):
            return
        slot.scheduled = slot.due_ms
        heapq.heappush(self._heap, (slot.due_ms, run.rule.id, key))

    def _refuse(self, run: _Run, key: Key, facts: Facts, now_ms: int) -> list[Outcome]:
        if run.refusing:
            return []
        run.refusing = True
        reason = (
            f"rule {run.rule.id} follows {self._max_keys:,} keys already; new ones are not "
            "followed until some are forgotten (use fewer fields in `by`, or a narrower `when`)"
        )
        return [Outcome(run.rule, Transition.REFUSED, None, facts.event, key, reason, now_ms)]

    def _drop(self, entry: Entry, how: str) -> None:
        if entry.alert is None:
            self._dirty[entry.rule_id, entry.key] = None
        else:
            self._orphans.append((entry.alert, f"the rule was {how}"))

    def _resolve_orphans(self, now_ms: int) -> list[Outcome]:
        outcomes = [self._resolve_orphan(*orphan, now_ms) for orphan in self._orphans]
        self._orphans.clear()
        return outcomes

    def _resolve_orphan(self, alert: Alert, reason: str, now_ms: int) -> Outcome:
        self._dirty[alert.rule, alert.key] = None
        over, change = transition(alert, Step(None, Verdict.CLEAR, reason), None, now_ms)
        return Outcome(None, change, over or alert, None, alert.key, reason, now_ms)

    def _entry(self, rule_id: str, key: Key) -> Entry:
        run = self._runs.get(rule_id)
        slot = run.slots.get(key) if run else None
        if run is None or slot is None:
            return Entry(rule_id, key, None, None, None)
        state = msgspec.msgpack.encode((run.version, slot.state))
        return Entry(rule_id, key, state, slot.due_ms, slot.alert)


def _thaw(run: _Run, entry: Entry) -> Any:  # noqa: ANN401 - the condition's own state
    """Return a state, or None where it is not one of this rule as it is now."""
    kept = run.condition.state_type
    if kept is None or entry.state is None:
        return None
    try:
        version, state = msgspec.msgpack.decode(entry.state, type=tuple[str, msgspec.Raw])
        return msgspec.msgpack.decode(state, type=kept) if version == run.version else None
    except msgspec.DecodeError:
        return None
