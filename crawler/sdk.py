"""The SDK: what a Python service says about itself.

    from crawler.sdk import Pulse

    pulse = Pulse(service="svc-a")
    pulse.install_excepthook()
    pulse.trigger("order", env="prod")

No call waits, and none raises: it costs an append to a queue, and a thread of ours does the
rest. Where the stream is down, events wait on disk. Importing this module imports only the
standard library; the rest is loaded by that thread with the first event.

This module must not know how events are stored or sent.
"""

import atexit
import concurrent.futures.thread  # noqa: F401 - registers its own end, before ours
import logging
import os
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from crawler import hooks
from crawler.courier import Courier, Plan
from crawler.hooks import PulseHandler
from crawler.inbox import Fall, Hit, Inbox, Item, Note, kind_of

if TYPE_CHECKING:
    import asyncio

    from pulsebot.stream.base import Writer
    from pulsebot.stream.config import StreamSettings

__all__ = ["Pulse", "PulseHandler"]

log = logging.getLogger(__name__)

CLOSE_S = 5.0
EXIT_S = 2.0
"""How long the end of an app may be held up; what is not sent then is on disk."""


class Pulse:
    """One service's way to tell what happens in it.

    Everything that is not given comes from `crawler.yaml` (or `config`) and the variables
    `CRAWLER_…`. Triggers are added up per name, tags and second before they are stored, all
    else is stored within about 50 ms. Safe in threads, signal handlers and after a fork.
    Raises ValueError for an empty `service`, and nothing ever after.
    """

    def __init__(
        self,
        service: str,
        *,
        instance: str | None = None,
        tags: Mapping[str, object] | None = None,
        stream: "StreamSettings | None" = None,
        spool: str | Path | None = None,
        config: str | Path | None = None,
        open_writer: "Callable[[StreamSettings], Writer] | None" = None,
    ) -> None:
        if not service:
            raise ValueError("Pulse needs the name of its service")
        self._plan = Plan(
            service,
            instance=instance,
            tags=tags,
            stream=stream,
            spool=Path(spool) if spool else None,
            config=Path(config) if config else None,
            open_writer=open_writer,
        )
        self._courier: Courier | None
        self._told_too_late: bool
        self._after_fork()
        _all.add(self)

    def trigger(
        self,
        name: str | None = None,
        count: int = 1,
        duration_ms: float | None = None,
        **tags: object,
    ) -> None:
        """Count `count` triggers of the service, now; 0 counts none."""
        self._put(Hit(time.time(), name, count, duration_ms, tags))

    def message(
        self,
        text: str,
        *,
        title: str | None = None,
        level: str = "info",
        link: str | None = None,
        **tags: object,
    ) -> None:
        """Tell people something; `level` is info, warning, error or critical."""
        fields = {"title": title, "level": level, "link": link, "tags": tags}
        self._put(Note(time.time(), "message", text, fields))

    def status(self, state: str, *, reason: str | None = None, **tags: object) -> None:
        """State how this instance is doing: up, degraded, down, starting, stopped, unknown."""
        self._put(Note(time.time(), "status", state, {"reason": reason, "tags": tags}))

    def crash(
        self,
        error: BaseException | None = None,
        *,
        fingerprint: str | None = None,
        wait_s: float = 0,
        **tags: object,
    ) -> bool:
        """Report an exception (default: the one being handled) as a crash.

        With `wait_s` returns when the event is on disk, or after that time. Says whether
        the event is known to be on disk.
        """
        error = error or sys.exc_info()[1]
        if error is None:
            log.error("pulse.crash() needs an exception, or to be called while handling one")
            return False
        try:
            fall = _fall(error, fingerprint, tags)
        except Exception:  # never into the app, whatever its exception does when asked
            log.exception("pulse could not describe a crash")
            return False
        taken = self._put(fall, urgent=True)
        return fall.kept.wait(wait_s) if taken and wait_s > 0 else False

    @contextmanager
    def timed(self, name: str, **tags: object) -> Iterator[None]:
        """Count a trigger with the time that the block, or decorated function, takes."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.trigger(name, 1, (time.perf_counter() - start) * 1000, **tags)

    def install_excepthook(self, loop: "asyncio.AbstractEventLoop | None" = None) -> None:
        """Report errors that reach the top of the process, of a thread, or of a task of `loop`.

        The process is held up for 2 s at most, so that the crash is on disk before it dies;
        hooks that were there before are called as well.
        """
        hooks.install(self, loop)

    def close(self, within_s: float = CLOSE_S) -> None:
        """Store everything and publish what can be published within the time; then accept no more.

        Called by itself when the process ends, before what is registered with `atexit`. A call
        that comes later is lost; the first one is logged.
        """
        courier, self._courier, self._closed = self._courier, None, True
        if courier is not None:
            courier.close(within_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def thread_id(self) -> int | None:
        """Identity of our own thread, whose log records are nobody else's business."""
        return self._courier.ident if self._courier else None

    def _put(self, item: Item, *, urgent: bool = False) -> bool:
        """Leave an item for the courier; false where nobody will ever come for it."""
        if self._closed:
            self._tell_too_late(item)
            return False
        if not self._inbox.put(item):
            return False
        courier = self._courier or self._start()
        if courier is None:
            return False
        courier.notice(urgent=urgent)
        return courier.is_alive()

    def _tell_too_late(self, item: Item) -> None:
        if not self._told_too_late:
            self._told_too_late = True
            service = self._plan.service
            log.warning(
                "a %s of %s came after pulse was closed, and is lost", kind_of(item), service
            )

    def _start(self) -> "Courier | None":
        # Not blocking: a signal handler may come here while its own thread holds the lock.
        if self._closed or not self._starting.acquire(blocking=False):
            return None
        try:
            if self._courier is None:
                self._courier = Courier(self._inbox, self._plan)
                self._courier.start()
                self._close_at_exit()
        except Exception:  # no thread to be had: the app goes on
            self._closed = True
            log.exception("pulse is off: events of %s are lost", self._plan.service)
        finally:
            self._starting.release()
        return self._courier

    def _close_at_exit(self) -> None:
        close = weakref.WeakMethod(self.close)

        def end() -> None:
            if bound := close():
                bound(EXIT_S)

        # Before atexit come these, and among them the end of all thread pools, which a writer
        # may need: ours is registered after theirs, so it runs first.
        getattr(threading, "_register_atexit", atexit.register)(end)
        # Children of multiprocessing leave by os._exit, past atexit; this is their own way.
        if util := sys.modules.get("multiprocessing.util"):
            util.Finalize(self, end, exitpriority=10)

    def _after_fork(self) -> None:
        """Start afresh: what waits in the parent's queue is the parent's to send."""
        self._inbox = Inbox()
        self._courier = None
        self._closed = False
        self._told_too_late = False
        self._starting = threading.Lock()


def _fall(error: BaseException, fingerprint: str | None, tags: Mapping[str, object]) -> Fall:
    text = "<unprintable>"
    with suppress(Exception):
        text = str(error)
    fields = {
        "error": type(error).__qualname__,
        "message": text,
        "fingerprint": fingerprint,
        "tags": tags,
    }
    frames = traceback.TracebackException.from_exception(error, lookup_lines=False)
    return Fall(time.time(), frames, fields)


_all: "weakref.WeakSet[Pulse]" = weakref.WeakSet()


def _after_fork() -> None:
    for pulse in list(_all):
        pulse._after_fork()  # noqa: SLF001 - the fork handler is part of the class's own business


os.register_at_fork(after_in_child=_after_fork)
