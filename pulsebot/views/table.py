"""A table at work: rows go in, and per key and window a state for each aggregate comes out.

A batch is gathered into partial states first; they are merged with what is kept afterwards, by
whoever keeps it. So nothing here depends on how rows fell into batches, or on their order.
Lateness is judged by each record's own log time, for the same reason.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pulsebot.views.aggregates.base import Order, State
from pulsebot.views.operators import Evaluate
from pulsebot.views.plan import Applied, TablePlan
from pulsebot.views.windowing import assignment

WHOLE = (0, 0)
"""The range of a table without windows."""


class Row(NamedTuple):
    """A row of a source: what columns are read from, and what it stands for."""

    row: Any
    time_ms: int
    times: int
    log_ms: int
    order: Order


Key = tuple[Any, ...]


class Slot(NamedTuple):
    """Key and window of one row of the table."""

    key: Key
    start_ms: int
    end_ms: int


@dataclass(slots=True)
class Gathered:
    """What a batch brings to a table: states by slot, and how many rows it could not take.

    `late` rows came after the grace period; `failed` ones hit a fault in our own functions.
    """

    states: dict[Slot, list[State]] = field(default_factory=dict)
    late: int = 0
    failed: int = 0


class Table:
    """A table's logic; it keeps nothing from one batch to the next."""

    def __init__(self, plan: TablePlan) -> None:
        self.plan = plan
        self._keep = plan.source.row
        self._grace_ms = None if plan.grace_ms is None else plan.settles_ms
        self._key_of = _key_of(plan.keys)
        self._steps = [_step(index, applied) for index, applied in enumerate(plan.aggregates)]
        self._merges = [applied.aggregate.merge for applied in plan.aggregates]
        self._results = [applied.aggregate.result for applied in plan.aggregates]
        self._values = [output.value for output in plan.outputs]
        self._ranges = _ranges(plan)

    def gather(self, rows: Iterable[Row]) -> Gathered:
        """Aggregate a batch; in sessions every row is one of its own until `sessions`."""
        gathered = Gathered()
        for row in rows:
            try:
                if self._takes(row):
                    self._add(gathered, row)
            except Exception:  # noqa: BLE001 - one view's fault must not stop the events
                gathered.failed += 1
        return gathered

    def _takes(self, row: Row) -> bool:
        keep, where = self._keep, self.plan.where
        if keep is not None and keep(row.row, row.time_ms) is None:
            return False
        return where is None or where(row.row, row.time_ms) is True

    def _add(self, gathered: Gathered, row: Row) -> None:
        subject, time_ms, _, log_ms, _ = row
        grace_ms, known, key = self._grace_ms, gathered.states, self._key_of(subject, time_ms)
        for start_ms, end_ms in self._ranges(time_ms):
            if grace_ms is not None and log_ms >= end_ms + grace_ms:
                gathered.late += 1
                continue
            # A plain tuple finds the slot as well, and costs a third of one.
            states = known.get((key, start_ms, end_ms))  # type: ignore[call-overload]
            if states is None:
                states = known[Slot(key, start_ms, end_ms)] = self.start()
            for step in self._steps:
                step(states, row)

    def start(self) -> list[State]:
        """Return the states of no rows."""
        return [applied.aggregate.start() for applied in self.plan.aggregates]

    def merge(self, left: list[State], right: list[State]) -> list[State]:
        """Return the states of both; either may be changed by it."""
        return [merge(a, b) for merge, a, b in zip(self._merges, left, right, strict=True)]

    def sessions(self, parts: dict[Slot, list[State]]) -> dict[Slot, list[State]]:
        """Join sessions of a key that are no further apart than the gap."""
        gap_ms = self.plan.gap_ms or 0
        joined: dict[Slot, list[State]] = {}
        last: Slot | None = None
        for slot in sorted(parts, key=lambda s: (repr(s.key), s.start_ms)):
            states = parts[slot]
            if last and last.key == slot.key and slot.start_ms <= last.end_ms - 1 + gap_ms:
                states = self.merge(joined.pop(last), states)
                slot = Slot(slot.key, last.start_ms, max(last.end_ms, slot.end_ms))  # noqa: PLW2901 - it grew
            joined[slot] = states
            last = slot
        return joined

    def outputs(self, slot: Slot, states: list[State]) -> tuple[list[Any], bool]:
        """Return the values of a row's columns, and whether HAVING lets it show."""
        _, start_ms, end_ms = slot
        results = [result(state) for result, state in zip(self._results, states, strict=True)]
        row = (*slot.key, *results, start_ms, end_ms)
        having = self.plan.having
        shown = having is None or having(row, start_ms) is True
        return [value(row, start_ms) for value in self._values], shown


def _key_of(keys: Sequence[Evaluate]) -> Callable[[Any, int], Key]:
    if len(keys) == 1:  # the usual case, in one step
        [key] = keys
        return lambda row, ms: (key(row, ms),)
    return lambda row, ms: tuple([key(row, ms) for key in keys])


def _ranges(plan: TablePlan) -> Callable[[int], Iterable[tuple[int, int]]]:
    clause = plan.window
    if clause is None:
        return lambda _ms: (WHOLE,)
    if clause.kind == "SESSION":
        return lambda ms: ((ms, ms + 1),)
    return assignment(clause, plan.zone)


def _step(index: int, applied: Applied) -> Callable[[list[State], Row], None]:
    """Return what adds a row to the state of one aggregate."""
    add, argument, weighed = applied.aggregate.add, applied.argument, applied.weighed

    def step(states: list[State], row: Row) -> None:
        subject, time_ms, times, _, order = row
        value = True if argument is None else argument(subject, time_ms)
        if value is not None:
            states[index] = add(states[index], value, times if weighed else 1, order)

    return step
