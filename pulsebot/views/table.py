"""A table at work: rows go in, and per key and window a state for each aggregate comes out.

A batch is gathered into partial states first; they are merged with what is kept afterwards, by
whoever keeps it. So nothing here depends on how rows fell into batches, or on their order.
Lateness is judged by each record's own log time, for the same reason.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pulsebot.views.aggregates.base import Order, State
from pulsebot.views.plan import TablePlan
from pulsebot.views.windowing import Assign, assignment

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
        self._grace_ms = plan.grace_ms
        clause = plan.window
        self._assign: Assign | None = (
            assignment(clause, plan.zone) if clause and clause.kind != "SESSION" else None
        )

    def gather(self, rows: Iterable[Row]) -> Gathered:
        """Aggregate a batch; in sessions every row is one of its own until `sessions`."""
        gathered = Gathered()
        for row in rows:
            try:
                if (key := self._key(row)) is not None:
                    self._add(gathered, key, row)
            except Exception:  # noqa: BLE001 - one view's fault must not stop the events
                gathered.failed += 1
        return gathered

    def _key(self, row: Row) -> Key | None:
        """Return the key of a row, None where the view leaves it out."""
        plan, subject, time_ms = self.plan, row.row, row.time_ms
        if self._keep is not None and self._keep(subject, time_ms) is None:
            return None
        if plan.where is not None and plan.where(subject, time_ms) is not True:
            return None
        return tuple([value(subject, time_ms) for value in plan.keys])

    def _add(self, gathered: Gathered, key: Key, row: Row) -> None:
        grace_ms, known = self._grace_ms, gathered.states
        for start_ms, end_ms in self._ranges(row.time_ms):
            if grace_ms is not None and row.log_ms >= end_ms + grace_ms:
                gathered.late += 1
                continue
            slot = Slot(key, start_ms, end_ms)
            states = known.get(slot)
            if states is None:
                states = known[slot] = self.start()
            self._aggregate(states, row)

    def _ranges(self, time_ms: int) -> Iterable[tuple[int, int]]:
        if self._assign is not None:
            return self._assign(time_ms)
        return ((time_ms, time_ms + 1),) if self.plan.gap_ms is not None else (WHOLE,)

    def _aggregate(self, states: list[State], row: Row) -> None:
        for index, applied in enumerate(self.plan.aggregates):
            value = True
            if applied.argument is not None:
                value = applied.argument(row.row, row.time_ms)
                if value is None:
                    continue
            times = row.times if applied.weighed else 1
            states[index] = applied.aggregate.add(states[index], value, times, row.order)

    def start(self) -> list[State]:
        """Return the states of no rows."""
        return [applied.aggregate.start() for applied in self.plan.aggregates]

    def merge(self, left: list[State], right: list[State]) -> list[State]:
        """Return the states of both; either may be changed by it."""
        return [
            applied.aggregate.merge(a, b)
            for applied, a, b in zip(self.plan.aggregates, left, right, strict=True)
        ]

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
        plan = self.plan
        results = [a.aggregate.result(s) for a, s in zip(plan.aggregates, states, strict=True)]
        result = (*slot.key, *results, slot.start_ms, slot.end_ms)
        having = plan.having
        shown = having is None or having(result, slot.start_ms) is True
        return [output.value(result, slot.start_ms) for output in plan.outputs], shown
