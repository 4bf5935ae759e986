"""What a fork must not cut in two.

A fork copies only the thread that forks. Whatever another one was in the midst of stays so in
the child for ever: a module that is half loaded, a lock inside SQLite that nobody opens again.
So a fork waits for our threads to leave such places, which takes milliseconds, or once, with
the first event of a process, as long as loading our libraries.

Apps fork with the SDK in them. This module imports only the standard library, so that
importing the SDK costs them nothing.
"""

import os
import threading
from contextlib import AbstractContextManager

LONGEST_S = 10.0
"""A fork goes ahead after this, whatever we are at: a dead disk must not stop an app."""

_lock = threading.RLock()
_waited = threading.local()


def whole() -> AbstractContextManager[object]:
    """Keep forks waiting while this is entered; for short steps only, and never for an await."""
    return _lock


def _before() -> None:
    _waited.for_us = _lock.acquire(timeout=LONGEST_S)


def _after_in_parent() -> None:
    if _waited.for_us:
        _lock.release()


def _after_in_child() -> None:
    global _lock  # noqa: PLW0603 - the old one may belong to a thread that is not here
    _lock = threading.RLock()


os.register_at_fork(
    before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child
)
