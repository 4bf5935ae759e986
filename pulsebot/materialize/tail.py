"""Tails: events are shown to whoever watches a stream, as they are taken in.

The writer only hands each batch over, and only while somebody watches; what a watcher is too
slow for is left out, and counted. Rows are computed by the watcher, outside of the writer.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pulsebot.materialize.news import News
from pulsebot.sift import Arrival, Batch
from pulsebot.store.viewtables import plain
from pulsebot.views.source import Source

BATCHES = 64
"""Batches that wait for a watcher; older ones are left out."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Rows that a watcher took, and how many events were left out before them."""

    rows: list[tuple[Any, ...]]
    missed: int


class Tail:
    """One watcher's batches."""

    def __init__(self, source: Source) -> None:
        self.news = News()
        self._source = source
        self._batches: deque[Sequence[Arrival]] = deque()
        self._missed = 0

    def put(self, batch: Sequence[Arrival]) -> None:
        """Take a batch that was committed."""
        if len(self._batches) == BATCHES:
            self._missed += len(self._batches.popleft())
        self._batches.append(batch)
        self.news.ring()

    def take(self) -> Seen:
        """Return the rows of all batches that wait, oldest first."""
        rows: list[tuple[Any, ...]] = []
        missed, self._missed = self._missed, 0
        while self._batches:
            for event, time_ms, _, _ in self._batches.popleft():
                if event.kind is self._source.kind and (row := self._row(event, time_ms)):
                    rows.append(row)
        return Seen(rows, missed)

    def _row(self, event: Any, time_ms: int) -> tuple[Any, ...] | None:  # noqa: ANN401 - of its kind
        keep = self._source.row
        row = keep(event, time_ms) if keep else event
        if row is None:
            return None
        return tuple(plain(column.value(row, time_ms)) for column in self._source.columns.values())


class Tails:
    """All watchers of one intake. `note` and `forget` are for the writer, the rest for the loop."""

    def __init__(self) -> None:
        self._watching: set[Tail] = set()
        self._noted: list[Sequence[Arrival]] = []

    def note(self, batch: Batch) -> None:
        """Keep a batch until its transaction is committed."""
        if self._watching and batch.events:
            self._noted.append(batch.each())

    def forget(self) -> None:
        """Drop what a transaction that failed had noted."""
        self._noted.clear()

    def release(self) -> None:
        """Hand over what was noted: it is committed."""
        if self._noted:
            noted, self._noted = self._noted, []
            for tail in self._watching:
                for batch in noted:
                    tail.put(batch)

    def watch(self, source: Source) -> Tail:
        """Begin to watch a source."""
        tail = Tail(source)
        self._watching.add(tail)
        return tail

    def leave(self, tail: Tail) -> None:
        """Watch no longer."""
        self._watching.discard(tail)
