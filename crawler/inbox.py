"""The inbox: what stands between an app's threads and everything slow.

The app's side appends a tuple to a bounded deque: no lock, no clean-up, no I/O, safe in any
thread and in signal handlers. The other side, one thread of ours, takes what came and adds up
triggers per name, tags and second.

This module must not know what happens to the events afterwards. It imports only the standard
library, so that importing the SDK costs an app nothing.
"""

import threading
import traceback
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

MAX_WAITING = 65_536
HURRY_AT = MAX_WAITING // 4


class Hit(NamedTuple):
    """One call of `trigger`."""

    time: float
    name: object
    times: int
    duration_ms: float | None
    tags: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Note:
    """One call of `status` or `message`: `fields` are those of the event."""

    time: float
    kind: str
    subject: object
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Fall:
    """One call of `crash`; `kept` is set when the event is on disk."""

    time: float
    error: traceback.TracebackException
    fields: Mapping[str, object]
    kept: threading.Event = field(default_factory=threading.Event)


Item = Hit | Note | Fall


class Inbox:
    """A bounded queue that refuses rather than waits, and counts what it refused."""

    def __init__(self, limit: int = MAX_WAITING) -> None:
        self._limit = limit
        self._items: deque[Item] = deque()
        # By thread, because `+= 1` on one shared number loses counts.
        self._refused: dict[int, dict[str, int]] = {}

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Item) -> bool:
        """Take an item, or count it as refused and return false. Never waits."""
        if len(self._items) < self._limit:
            self._items.append(item)
            return True
        mine = self._refused.setdefault(threading.get_ident(), {})
        kind = kind_of(item)
        mine[kind] = mine.get(kind, 0) + 1
        return False

    def take(self) -> list[Item]:
        """Return what has come so far, in order."""
        return [self._items.popleft() for _ in range(len(self._items))]

    def refused(self) -> dict[str, int]:
        """Return how many items of each kind were refused since the start."""
        total: dict[str, int] = {}
        for counts in list(self._refused.values()):
            for kind, count in list(counts.items()):
                total[kind] = total.get(kind, 0) + count
        return total


def kind_of(item: Item) -> str:
    """Return the name of the kind of event that an item becomes."""
    if isinstance(item, Hit):
        return "trigger"
    return item.kind if isinstance(item, Note) else "crash"


@dataclass(slots=True)
class _Sum:
    time: float
    name: object
    tags: Mapping[str, object]
    times: int = 0
    duration_ms: float = 0.0


class Tally:
    """Adds up triggers per name, tags and second; those with a duration apart from those without.

    The duration of a sum is the mean of its triggers. A sum is due when its second is over.
    """

    def __init__(self) -> None:
        self._sums: dict[tuple[object, ...], _Sum] = {}

    def __len__(self) -> int:
        return len(self._sums)

    def add(self, hit: Hit) -> None:
        """Count one hit."""
        timed = hit.duration_ms is not None
        key = (int(hit.time), str(hit.name), timed, *sorted(map(str, hit.tags.items())))
        total = self._sums.get(key)
        if total is None:
            total = self._sums[key] = _Sum(hit.time, hit.name, hit.tags)
        total.times += hit.times
        total.duration_ms += (hit.duration_ms or 0.0) * hit.times

    def due(self, before: float) -> list[Hit]:
        """Take out the sums of seconds that ended by `before`, in order of time."""
        ready = [key for key, total in self._sums.items() if int(total.time) + 1 <= before]
        hits = [_hit(self._sums.pop(key), timed=bool(key[2])) for key in ready]
        return sorted(hits, key=lambda hit: hit.time)


def _hit(total: _Sum, *, timed: bool) -> Hit:
    mean = total.duration_ms / total.times if timed else None
    return Hit(total.time, total.name, total.times, mean, total.tags)
