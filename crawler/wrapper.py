"""`crawler exec`: runs a command as our child, so that its exit code is certain to be known.

The command keeps our terminal, gets our signals, and its exit code becomes ours. Telling about
it must never keep it from running.
"""

import asyncio
import logging
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress

import psutil

from crawler.exits import crash_of, shell_code, words
from crawler.origin import Origin, moment
from crawler.outlet import Outlet, open_outlet
from crawler.probes.process import vital_signs
from crawler.settings import Settings
from pulsebot.errors import InvalidInput, StoreError
from pulsebot.event import Event

log = logging.getLogger(__name__)

_FORWARDED = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
_STOPPING = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP})
_FROM_TERMINAL = frozenset({signal.SIGINT, signal.SIGQUIT})


async def run(command: Sequence[str], origin: Origin, settings: Settings, interval_s: float) -> int:
    """Run the command and return the code to exit with (128 + n for signal n, as shells do).

    A crash is any signal and any code but 0, unless we passed on a signal that asks to stop.
    Raises InvalidInput where the command cannot be started.
    """
    async with AsyncExitStack() as stack:
        wrapped = _Wrapped(origin, interval_s)
        # First and last: a signal that comes while we set up or tidy up does not cut that short.
        stack.enter_context(wrapped.forwarding())
        try:
            wrapped.outlet = await stack.enter_async_context(open_outlet(settings))
        except StoreError as error:
            log.warning("%s runs unwatched: %s", command[0], error)
        return await wrapped.run(command)


class _Wrapped:
    def __init__(self, origin: Origin, interval_s: float) -> None:
        self.outlet: Outlet | None = None
        self._origin = origin
        self._interval_s = interval_s
        self._asked: set[signal.Signals] = set()
        self._child: asyncio.subprocess.Process | None = None

    async def run(self, command: Sequence[str]) -> int:
        try:
            child = await asyncio.create_subprocess_exec(*command)
        except OSError as error:
            raise InvalidInput(f"cannot run {command[0]}: {error.strerror}") from error
        self._child = child
        for number in self._asked:  # they came before it was there
            self._pass_on(number)
        self._tell("starting", f"started (pid {child.pid})")
        beating = asyncio.create_task(self._beat(child.pid))
        code = await child.wait()
        beating.cancel()
        self._ended(code)
        return shell_code(code)

    def _ended(self, code: int) -> None:
        stopped = any(code in {0, -number, 128 + number} for number in self._asked & _STOPPING)
        crash = None if stopped else crash_of(self._origin, moment(time.time()), code)
        if crash is not None:
            self._put(crash)
            self._tell("down", words(code))
        else:
            self._tell("stopped", words(code) + (", as asked" if stopped else ""))

    async def _beat(self, pid: int) -> None:
        process = psutil.Process(pid)
        while True:
            with suppress(psutil.Error):
                self._put(vital_signs(self._origin, moment(time.time()), process))
            await asyncio.sleep(self._interval_s)

    @contextmanager
    def forwarding(self) -> Iterator[None]:
        """Hand the signals that we get on to the command while this is entered."""
        loop = asyncio.get_running_loop()
        for number in _FORWARDED:
            loop.add_signal_handler(number, self._forward, number)
        try:
            yield
        finally:
            for number in _FORWARDED:
                loop.remove_signal_handler(number)

    def _forward(self, number: signal.Signals) -> None:
        self._asked.add(number)
        # A terminal sends these to the whole group: the child has its own already.
        if not (number in _FROM_TERMINAL and sys.stdin.isatty()):
            self._pass_on(number)

    def _pass_on(self, number: signal.Signals) -> None:
        if self._child is not None:
            with suppress(ProcessLookupError):
                self._child.send_signal(number)

    def _tell(self, state: str, reason: str) -> None:
        self._put(self._origin.status(moment(time.time()), state, reason=reason))

    def _put(self, event: Event) -> None:
        if self.outlet is not None:
            try:
                self.outlet.put([event])
            except StoreError as error:
                log.warning("a %s event is lost: %s", event.kind, error)
