"""Which counts have changed since the board last looked: what a commit touched, and no more.

Noted by the writer's thread before the commit, valid after it. A bucket may be noted that was
then rolled back: whoever reads it again finds it unchanged.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Lock

from pulsebot.views.tally import Bucket

LIMIT = 50_000
"""Buckets remembered; beyond, reading everything again is cheaper, and nobody may be looking."""


class Changes:
    """Collects what was counted. Until it is first taken nothing is collected."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._noted: set[Bucket] = set()
        self._valid: set[Bucket] = set()
        self._lost = True

    def note(self, buckets: Iterable[Bucket]) -> None:
        """Remember buckets that a transaction under way adds to; any thread."""
        if not self._lost:
            with self._lock:
                self._noted.update(buckets)

    def commit(self) -> None:
        """Take what was noted for written: call after the commit, before the next `note`."""
        with self._lock:
            self._valid |= self._noted
            self._noted.clear()
            if len(self._valid) > LIMIT:
                self._valid.clear()
                self._lost = True

    @contextmanager
    def taken(self) -> Iterator[set[Bucket] | None]:
        """Yield what changed since the last time, None: anything may have.

        If the caller fails with it, next time anything may have changed.
        """
        with self._lock:
            changed = None if self._lost else self._valid
            self._valid, self._lost = set(), False
        try:
            yield changed
        except BaseException:
            self._lost = True
            raise
