"""Ties the SDK to Python's own ways of saying that something went wrong.

This module must not know how an event gets out of the process. It imports only the standard
library.
"""

import logging
import sys
import threading
import traceback
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

    from crawler.sdk import Pulse

WAIT_S = 2.0
"""How long a dying process is held up until its crash is on disk."""

_NO_CRASH = (KeyboardInterrupt, SystemExit, GeneratorExit)


def install(pulse: "Pulse", loop: "asyncio.AbstractEventLoop | None" = None) -> None:
    """Report errors that nobody caught, then go on to the hooks that were there before."""
    _install_main(pulse)
    _install_threads(pulse)
    if loop is not None:
        _install_tasks(pulse, loop)


def _install_main(pulse: "Pulse") -> None:
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, at: TracebackType | None) -> None:
        if not isinstance(error, _NO_CRASH):
            pulse.crash(error, wait_s=WAIT_S)
        before(kind, error, at)

    sys.excepthook = hook


def _install_threads(pulse: "Pulse") -> None:
    before = threading.excepthook

    def hook(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None and not isinstance(args.exc_value, _NO_CRASH):
            name = args.thread.name if args.thread else ""
            pulse.crash(args.exc_value, wait_s=WAIT_S, thread=name)
        before(args)

    threading.excepthook = hook


def _install_tasks(pulse: "Pulse", loop: "asyncio.AbstractEventLoop") -> None:
    before = loop.get_exception_handler()

    def hook(loop: "asyncio.AbstractEventLoop", context: dict[str, Any]) -> None:
        error = context.get("exception")
        # No waiting here: the process goes on, and so must its loop.
        if isinstance(error, BaseException) and not isinstance(error, _NO_CRASH):
            pulse.crash(error)
        if before is not None:
            before(loop, context)
        else:
            loop.default_exception_handler(context)

    loop.set_exception_handler(hook)


class PulseHandler(logging.Handler):
    """Sends log records from a level on (default ERROR) as messages.

    A record with `exc_info` is a message too, ending in the exception's own line: an error
    that was caught and logged is no crash.
    """

    def __init__(self, pulse: "Pulse", level: int = logging.ERROR) -> None:
        super().__init__(level)
        self._pulse = pulse

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record; our own thread's records are left out, or they would feed themselves."""
        if record.thread == self._pulse.thread_id or record.name.startswith("crawler."):
            return
        try:
            text = record.getMessage()
            if record.exc_info and record.exc_info[1] is not None:
                text += "\n" + "".join(traceback.format_exception_only(record.exc_info[1])).strip()
            self._pulse.message(text, level=_level(record.levelno), logger=record.name)
        except Exception:  # noqa: BLE001 - logging's own way for a handler to fail
            self.handleError(record)


def _level(number: int) -> str:
    if number >= logging.CRITICAL:
        return "critical"
    if number >= logging.ERROR:
        return "error"
    return "warning" if number >= logging.WARNING else "info"
