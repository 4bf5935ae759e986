"""A keeper: one view's rows in the database, kept up to date by what batches bring.

What a batch brings is merged with the states that are kept, in the caller's transaction. The
states of recent rows stay in memory as well; after a transaction that failed, a new keeper is
made. This module must not know where rows come from.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pulsebot.civil import local_time
from pulsebot.store import viewcatalog, viewtables
from pulsebot.store.database import Connection
from pulsebot.store.viewcatalog import Entry
from pulsebot.store.viewtables import HIDDEN, SHOWN, WAITING, RowAt, Shape, StoredRow
from pulsebot.views.datatype import Type
from pulsebot.views.plan import Output, TablePlan
from pulsebot.views.table import Row, Slot, Table

CACHED = 50_000
"""Rows of a view whose states are kept in memory."""

_BOUNDS_CACHED = 5_000

_COMPOUND = {Type.ANY, Type.ARRAY, Type.JSON, Type.MAP}
"""Types whose values may be lists or maps."""


@dataclass(slots=True)
class _Kept:
    """One row: its key as JSON, the ends of its window as people read them, and its states."""

    key: str
    start: str | None
    end: str | None
    states: list[Any]


class Keeper:
    """Keeps one version of one table."""

    def __init__(self, connection: Connection, entry: Entry, plan: TablePlan) -> None:
        self.entry = entry
        self.plan = plan
        self.shape = shape_of(entry, plan)
        self.closed_ms = 0
        """The time up to which windows have ended."""
        self._from_ms = 0 if entry.inherits else entry.from_ms
        self._table = Table(plan)
        self._compound = any(output.type in _COMPOUND for output in plan.outputs)
        self._recent: dict[Slot, _Kept] = {}
        self._json: dict[tuple[Any, ...], str] = {}
        self._known = viewtables.keys(connection, self.shape)
        self._bounds: dict[int, str] = {}

    def take(self, connection: Connection, rows: Iterable[Row], revision: int) -> bool:
        """Take in rows of the view's source; return whether anything changed."""
        if self._from_ms:
            rows = [row for row in rows if row.time_ms >= self._from_ms]
        gathered = self._table.gather(rows)
        changed, refused = self._changed(connection, gathered.states, revision)
        if gathered.late or refused or gathered.failed:
            viewcatalog.count_lost(
                connection, self.entry.id, gathered.late, refused, gathered.failed
            )
        stored = [self._stored(slot, kept, revision) for slot, kept in changed.items()]
        viewtables.write(connection, self.shape, stored)
        return bool(stored)

    def close(self, connection: Connection, now_ms: int, revision: int) -> int:
        """Let the windows end that ended by `now_ms`; return how many rows this shows."""
        self.closed_ms = now_ms - self.plan.settles_ms
        return viewtables.close(connection, self.shape, self.closed_ms, revision)

    def due(self, connection: Connection, now_ms: int) -> bool:
        """Tell whether `close` would show anything."""
        ended_ms = now_ms - self.plan.settles_ms
        return self.plan.final and viewtables.waiting(connection, self.shape, ended_ms)

    def expire(self, connection: Connection, now_ms: int, revision: int, limit: int) -> int:
        """Delete up to `limit` rows whose window is past the retention; return how many."""
        if not self.shape.windowed:
            return 0
        old = viewtables.ended(connection, self.shape, now_ms - self.entry.retention_ms, limit)
        if old:
            viewtables.remove(connection, self.shape, old, revision)
            self._recent.clear()
            self._known = viewtables.keys(connection, self.shape)
        return len(old)

    def _changed(
        self, connection: Connection, brought: Mapping[Slot, list[Any]], revision: int
    ) -> tuple[dict[Slot, _Kept], int]:
        """Return the rows as they are now, and how many were refused."""
        if self.plan.gap_ms is not None:
            admitted, refused = self._admitted(brought)
            joined = self._joined(connection, admitted, revision) if admitted else {}
            return {slot: self._kept(slot, states) for slot, states in joined.items()}, refused
        recent = self._recent
        unknown = {slot: states for slot, states in brought.items() if slot not in recent}
        admitted, refused = self._admitted(unknown)
        if admitted:
            self._recall(connection, admitted)
        merge = self._table.merge
        changed: dict[Slot, _Kept] = {}
        for slot, states in brought.items():
            kept = recent.get(slot)
            if kept is not None:
                kept.states = merge(kept.states, states)
                changed[slot] = kept
        self._forget_some()
        return changed, refused

    def _recall(self, connection: Connection, wanted: Iterable[Slot]) -> None:
        """Have rows at hand, be they in the database or new."""
        places = {slot: RowAt(self._key(slot), slot.start_ms) for slot in wanted}
        found = viewtables.states(connection, self.shape, places.values())
        for slot, at in places.items():
            states = found.get(at)
            self._recent[slot] = self._kept(slot, self._table.start() if states is None else states)

    def _forget_some(self) -> None:
        """Keep the memory within its bounds: what came first goes first."""
        if len(self._recent) > CACHED:
            for slot in list(islice(self._recent, len(self._recent) - CACHED // 2)):
                del self._recent[slot]

    def _admitted(self, states: Mapping[Slot, list[Any]]) -> tuple[dict[Slot, list[Any]], int]:
        """Leave out rows whose key would be one too many; return the others, and how many."""
        admitted: dict[Slot, list[Any]] = {}
        refused = 0
        for slot, state in states.items():
            key = self._key(slot)
            if key not in self._known:
                if len(self._known) >= self.entry.max_keys:
                    refused += 1
                    continue
                self._known.add(key)
            admitted[slot] = state
        return admitted, refused

    def _kept(self, slot: Slot, states: list[Any]) -> _Kept:
        if not self.shape.windowed:
            return _Kept(self._key(slot), None, None, states)
        start, end = self._readable(slot.start_ms), self._readable(slot.end_ms)
        return _Kept(self._key(slot), start, end, states)

    def _key(self, slot: Slot) -> str:
        key = self._json.get(slot.key)
        if key is None:
            if len(self._json) >= CACHED:
                self._json.clear()
            key = self._json[slot.key] = viewtables.encoded(slot.key)
        return key

    def _joined(
        self, connection: Connection, brought: Mapping[Slot, list[Any]], revision: int
    ) -> dict[Slot, list[Any]]:
        """Join sessions with those that are kept; what they absorb is deleted."""
        gap_ms = self.plan.gap_ms or 0
        parts = self._table.sessions(dict(brought))
        absorbed: set[RowAt] = set()
        for slot in list(parts):
            key = self._key(slot)
            touching = viewtables.overlapping(
                connection, self.shape, key, slot.start_ms - gap_ms, slot.end_ms + gap_ms
            )
            for start_ms, end_ms, states in touching:
                at = RowAt(key, start_ms)
                if at in absorbed:
                    continue
                absorbed.add(at)
                kept = Slot(slot.key, start_ms, end_ms)
                parts[kept] = self._table.merge(parts[kept], states) if kept in parts else states
        joined = self._table.sessions(parts)
        left = {RowAt(self._key(slot), slot.start_ms) for slot in joined}
        viewtables.remove(connection, self.shape, absorbed - left, revision)
        return joined

    def _stored(self, slot: Slot, kept: _Kept, revision: int) -> StoredRow:
        values, passes = self._table.outputs(slot, kept.states)
        shown = SHOWN if passes else HIDDEN
        _, start_ms, end_ms = slot
        if passes and self.plan.final and end_ms > self.closed_ms:
            shown = WAITING
        if self._compound:
            values = list(map(viewtables.plain, values))
        packed = viewtables.packed(kept.states)
        start, end = kept.start, kept.end
        return (kept.key, start_ms, end_ms, packed, shown, revision, start, end, *values)

    def _readable(self, ms: int) -> str:
        text = self._bounds.get(ms)
        if text is None:
            if len(self._bounds) >= _BOUNDS_CACHED:
                self._bounds.clear()
            local = local_time(ms, self.plan.zone)
            precise = "milliseconds" if ms % 1000 else "seconds"
            text = self._bounds[ms] = local.isoformat(timespec=precise)
        return text


def shape_of(entry: Entry, plan: TablePlan) -> Shape:
    """Return the columns under which a version is kept."""
    columns = tuple((output.name, _column(output), output.key) for output in plan.outputs)
    grows = plan.gap_ms is not None
    return Shape(entry.id, entry.name, columns, plan.window is not None, grows)


def _column(output: Output) -> str:
    """Return a column's type; keys of any type are texts, since people look for texts."""
    return output.type.column or ("TEXT" if output.key else "")
