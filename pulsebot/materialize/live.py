"""Live views: every batch of new events is taken into all views, in the batch's transaction.

Triggers, of which there are many, are grouped once for all views, the built-in counters among
them, by the attributes that any of them reads and by minute; so a further view costs by the
groups, not by the events.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import structlog

from pulsebot.event import Kind, Trigger
from pulsebot.materialize.definitions import Definitions, definitions
from pulsebot.materialize.keeper import Keeper
from pulsebot.sift import Batch
from pulsebot.store import viewcatalog
from pulsebot.store.database import Connection
from pulsebot.views.plan import TablePlan
from pulsebot.views.source import times_of
from pulsebot.views.table import Row
from pulsebot.window import MINUTE_MS

log = structlog.get_logger(__name__)

EXPIRED_PIECE = 5_000
"""Rows deleted in one transaction."""


class LiveViews:
    """The live views of one database; call `load` first and after every failed transaction."""

    def __init__(self) -> None:
        self.definitions = Definitions()
        self._edition = -1
        self._keepers: dict[int, Keeper] = {}
        self._signature: Callable[[Any], Any] = _signature(frozenset())
        self._grouped: list[Keeper] = []
        self._single: dict[Kind, list[Keeper]] = {}

    def load(self, connection: Connection) -> None:
        """Take over the catalog, with what the last committed transaction left."""
        self._keepers = {}
        self._edition = -1
        self._refresh(connection)

    def _refresh(self, connection: Connection) -> None:
        """Look whether the catalog is another than before: whoever changed it only wrote it."""
        edition = viewcatalog.edition(connection)
        if edition == self._edition:
            return
        entries = [e for e in viewcatalog.entries(connection) if e.state == "live"]
        self.definitions = known = definitions(entries)
        for view, reason in known.broken.items():
            log.error("a view is given up; create it again, it is built from the log",
                      view=view, reason=reason)  # fmt: skip
            viewcatalog.mark_broken(connection, view)
            edition = viewcatalog.edition(connection)
        earlier = {v: k for v, k in self._keepers.items() if not known.looks_up(k.plan)}
        self._keepers = {
            view: earlier.get(view) or Keeper(connection, known.entries[view], plan)
            for view, plan in known.plans.items()
            if plan.source.kind is not None
        }
        self._edition = edition
        self._arrange()

    def _arrange(self) -> None:
        keepers = self._keepers.values()
        self._grouped = [keeper for keeper in keepers if _is_grouped(keeper.plan)]
        self._single = {kind: [] for kind in Kind}
        for keeper in keepers:
            kind = keeper.plan.source.kind
            if kind is not None and not _is_grouped(keeper.plan):
                self._single[kind].append(keeper)
        shared = frozenset[str]().union(*(k.plan.attributes or () for k in self._grouped))
        self._signature = _signature(shared)

    def group(self, connection: Connection, batch: Batch) -> list[Row]:
        """Return the triggers among new events, grouped as all views together need it."""
        self._refresh(connection)
        return group(batch, self._signature)

    def take(self, connection: Connection, batch: Batch, triggers: Sequence[Row]) -> None:
        """Take new events into every view, in the caller's transaction, after `group`."""
        if not self._keepers or not batch.events:
            return
        revision = viewcatalog.next_revision(connection)
        for keeper in self._grouped:
            keeper.take(connection, triggers, revision)
        for kind, keepers in self._single.items():
            if keepers and (rows := single(batch, kind)):
                for keeper in keepers:
                    keeper.take(connection, rows, revision)

    def advance(self, connection: Connection, now_ms: int) -> None:
        """Let time pass: windows end that ended by then, where a view waits for that."""
        self._refresh(connection)
        due = [k for k in self._keepers.values() if k.plan.final and k.due(connection, now_ms)]
        for keeper in self._keepers.values():
            keeper.closed_ms = max(keeper.closed_ms, now_ms - keeper.plan.settles_ms)
        if due:
            revision = viewcatalog.next_revision(connection)
            for keeper in due:
                keeper.close(connection, now_ms, revision)

    def expire(self, connection: Connection, now_ms: int) -> bool:
        """Delete what is past its retention, a piece of it; return whether there is more."""
        self._refresh(connection)
        revision = viewcatalog.next_revision(connection)
        gone = [
            keeper.expire(connection, now_ms, revision, EXPIRED_PIECE)
            for keeper in self._keepers.values()
        ]
        return any(count >= EXPIRED_PIECE for count in gone)


def _is_grouped(plan: TablePlan) -> bool:
    return plan.attributes is not None and plan.source.kind is Kind.TRIGGER


def rows_of(plan: TablePlan, batch: Batch) -> list[Row]:
    """Return what one plan alone takes of new events."""
    kind = plan.source.kind
    if _is_grouped(plan):
        return group(batch, _signature(plan.attributes or frozenset()))
    return [] if kind is None else single(batch, kind)


_PARTS: Mapping[str, Callable[[Any], Any]] = {
    "INSTANCE_ID": lambda event: event.instance,
    "NAME": lambda event: event.data.name,
    "TAGS": lambda event: tuple(event.data.tags.items()),
}


def by_service(event: Any) -> Any:  # noqa: ANN401 - any event
    """Tell events apart by their service alone."""
    return event.service


def _signature(shared: frozenset[str]) -> Callable[[Any], Any]:
    """Return what tells events apart that differ in an attribute which some view reads."""
    parts = [part for name, part in _PARTS.items() if name in shared]
    if not parts:
        return by_service
    if len(parts) == 1:
        [part] = parts
        return lambda event: (event.service, part(event))
    return lambda event: (event.service, *[part(event) for part in parts])


def group(batch: Batch, signature: Callable[[Any], Any]) -> list[Row]:
    """Return triggers as rows, those as one that share attributes and minute."""
    counts: dict[tuple[Any, int], int] = {}
    samples: dict[tuple[Any, int], Any] = {}
    for event, minute_ms, times in _triggers(batch):
        shape = signature(event), minute_ms
        samples.setdefault(shape, event)
        counts[shape] = counts.get(shape, 0) + times
    return [Row(samples[shape], shape[1], times, 0, (0, 0, 0)) for shape, times in counts.items()]


def _triggers(batch: Batch) -> Iterator[tuple[Trigger, int, int]]:
    """Yield triggers, or one for many, with the minute and how often it was triggered."""
    for together in batch.groups:
        yield together.sample, together.minute_ms, sum(together.counts)
    for event, time_ms, _, _ in batch.alone.values():
        if isinstance(event, Trigger):
            yield event, time_ms - time_ms % MINUTE_MS, event.data.count


def single(batch: Batch, kind: Kind) -> list[Row]:
    """Return the events of a kind as rows, one each."""
    times = times_of(kind)
    return [
        Row(
            event,
            time_ms,
            times(event),
            log_ms,
            (record.timestamp, record.partition, record.offset),
        )
        for event, time_ms, log_ms, record in batch.each(None if kind is Kind.TRIGGER else ())
        if event.kind is kind
    ]
