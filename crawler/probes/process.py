"""The process probe: whether a process runs, how it does, and how it ended.

The process is found by pid file, name or command line (all that are given must hold; of
several the oldest). It is recognised by boot, pid and start time, so that a reused pid is a
new process; a zombie is dead.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self

import psutil
from pydantic import Field, model_validator

from crawler.exits import crash_of, words
from crawler.origin import Origin, moment
from crawler.probes.base import Place, ProbeSection, Report
from crawler.probes.pattern import Regex
from pulsebot.event import Event

_STAT_EXIT_CODE = 52
"""Field number in /proc/PID/stat (proc(5)); readable for zombies by their own user."""


class ProcessSettings(ProbeSection):
    """Watches one process; at least one of `pid_file`, `name`, `command` says which."""

    type: Literal["process"]
    pid_file: Path | None = None
    name: str | None = None
    """Name of the program, as `ps -o comm` shows it."""
    command: Regex | None = None
    """Regular expression (RE2) found in the command line."""
    interval_s: Annotated[float, Field(gt=0)] = 10
    """Time between two heartbeats."""
    check_s: Annotated[float, Field(gt=0)] = 1
    """Time between two looks."""

    def watched(self) -> str:
        """Return what the process is found by."""
        command = self.command.text if self.command else None
        return f"process {self.pid_file or self.name or command}"

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        if self.pid_file is None and self.name is None and self.command is None:
            raise ValueError("give `pid_file`, `name` or `command`")
        return self


class Identity(NamedTuple):
    """What no two processes share."""

    boot: str
    pid: int
    started: float


class ProcessProbe:
    """Looks at one process again and again."""

    def __init__(
        self,
        settings: ProcessSettings,
        place: Place,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._origin = place.origin(settings)
        self._clock = clock
        self._boot = _boot_id()
        self._process: psutil.Process | None = None
        self._last: Identity | None = None
        self._down = False
        self._next_beat = 0.0

    async def probe(self) -> AsyncGenerator[Report, None]:
        """Yield state changes at once and a heartbeat each interval."""
        while True:
            if events := await asyncio.to_thread(self.look):
                yield Report(tuple(events))
            await asyncio.sleep(self._settings.check_s)

    def look(self) -> list[Event]:
        """Look once."""
        now = self._clock()
        at = moment(now)
        events: list[Event] = []
        if self._process is not None and not _alive(self._process):
            events += self._ended(at, self._process)
            self._process = None
        if self._process is None:
            self._process = find(self._settings)
            if self._process is not None:
                events += self._appeared(at, self._process)
        if now >= self._next_beat:
            events += self._beat(at)
        return events

    def _ended(self, at: datetime, process: psutil.Process) -> Iterator[Event]:
        code = _exit_code(process)
        if crash := crash_of(self._origin, at, code):
            yield crash
        yield self._origin.status(at, "down", reason=f"{words(code)} (pid {process.pid})")
        self._down = True
        self._next_beat = self._clock() + self._settings.interval_s

    def _appeared(self, at: datetime, process: psutil.Process) -> Iterator[Event]:
        identity = Identity(self._boot, process.pid, _started(process))
        if self._last is not None and identity != self._last:
            reason = f"restarted (pid {self._last.pid} → {identity.pid})"
            yield self._origin.status(at, "starting", reason=reason)
        self._last = identity
        self._down = False
        self._next_beat = 0.0

    def _beat(self, at: datetime) -> Iterator[Event]:
        self._next_beat = self._clock() + self._settings.interval_s
        if self._process is None:
            reason = None if self._down else "no such process"
            self._down = True
            yield self._origin.status(at, "down", reason=reason)
            return
        with suppress(psutil.Error):  # it ended just now: the next look says so
            yield vital_signs(self._origin, at, self._process)


def vital_signs(origin: Origin, at: datetime, process: psutil.Process) -> Event:
    """Return a status event with CPU since the last call, memory and age. Raises psutil.Error."""
    with process.oneshot():
        return origin.status(
            at,
            "up",
            cpu=process.cpu_percent(None),
            rss=process.memory_info().rss,
            uptime_s=max(at.timestamp() - process.create_time(), 0.0),
        )


def find(settings: ProcessSettings) -> psutil.Process | None:
    """Return the oldest living process that is meant, None where there is none."""
    if settings.pid_file is not None:
        candidates = _from_pid_file(settings.pid_file)
    else:
        candidates = psutil.process_iter()
    found = [process for process in candidates if _is_meant(settings, process)]
    return min(found, key=_started, default=None)


def _from_pid_file(path: Path) -> Iterator[psutil.Process]:
    with suppress(OSError, ValueError, psutil.Error):
        yield psutil.Process(int(path.read_text("ascii").strip()))


def _is_meant(settings: ProcessSettings, process: psutil.Process) -> bool:
    if process.pid == psutil.Process().pid:
        return False
    try:
        if settings.name is not None and process.name() != settings.name:
            return False
        if settings.command is not None:
            line = " ".join(process.cmdline())
            if not settings.command.search(line):
                return False
        return _alive(process)
    except psutil.Error:
        return False


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _started(process: psutil.Process) -> float:
    with suppress(psutil.Error):
        return process.create_time()
    return float("inf")


def _exit_code(process: psutil.Process) -> int | None:
    """Return the exit code where it can be had: of our own child, or of a zombie of our user."""
    try:
        stat = Path(f"/proc/{process.pid}/stat").read_text("utf-8", "replace")
        fields = stat.rpartition(")")[2].split()  # the name before it may hold blanks
        if fields[0] == "Z":
            if not _may_be_seen(process.pid):
                return None
            status = int(fields[_STAT_EXIT_CODE - 3])
            signal = status & 0x7F
            return -signal if signal else status >> 8
    except (OSError, ValueError, IndexError):
        pass  # gone already, or no /proc on this system
    try:
        code: int | None = process.wait(0)
    except psutil.Error:
        return None
    return code


def _may_be_seen(pid: int) -> bool:
    """Tell whether /proc shows us all of a process: its exit code reads 0 to who may not see it."""
    try:
        Path(f"/proc/{pid}/exe").readlink()
    except PermissionError:
        return False
    except OSError:
        pass  # a zombie has no program any more
    return True


def _boot_id() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return str(psutil.boot_time())
