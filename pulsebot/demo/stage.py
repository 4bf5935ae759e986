"""The stage: a process that starts the services, starts again who crashed, and ends them all.

It ends when its standard input does. The demo holds the other end of that pipe, so the system
closes it however the demo dies: Ctrl-C, a closed terminal or kill -9. Should the stage itself
be killed, Linux sends SIGTERM to each of its children (PR_SET_PDEATHSIG); elsewhere the
services see by themselves that their parent is another.
"""

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pulsebot.demo.cast import commands

LOOK_S = 0.2
REST_S = 2.0
"""How long a service that ended stays away."""
GRACE_S = 4.0
"""How long a process may take to end after SIGTERM."""

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Child:
    """One process, in a group of its own, started again whenever it ends."""

    def __init__(self, command: Sequence[str], output: Path, descriptor: int) -> None:
        self._command = command
        self._output = output
        self._descriptor = descriptor
        self._again_at = 0.0
        self._process: subprocess.Popen[bytes] | None = None

    def look(self) -> None:
        """Start it where it does not run and its rest is over."""
        if self._process is not None and self._process.poll() is not None:
            self._process = None
            self._again_at = time.monotonic() + REST_S
        if self._process is None and time.monotonic() >= self._again_at:
            self._start()

    def end(self) -> None:
        """Ask it, and what it may have started, to end."""
        self._signal(signal.SIGTERM)

    def wait(self, until: float) -> None:
        """Wait for its end until that (monotonic) time, then kill its group."""
        if self._process is None:
            return
        try:
            self._process.wait(max(until - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._process.wait()

    def _start(self) -> None:
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - the commands of our own cast
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self._output.parent,
                pass_fds=(self._descriptor,),
                process_group=0,
                preexec_fn=_dying_with(os.getpid()),  # noqa: PLW1509 - the stage has one thread
            )

    def _signal(self, number: signal.Signals) -> None:
        # Only while it is not waited for: after that its number may be somebody else's.
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)


def _dying_with(parent: int) -> Callable[[], None] | None:
    """Return what a new process does so that it ends with its parent; None: not on this system."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl

    def leash() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        if os.getppid() != parent:  # it died before the leash was on
            os._exit(1)

    return leash


def main() -> None:
    """Play until standard input ends: `FOLDER SCENE DESCRIPTOR keep|remove`."""
    name, scene, descriptor, afterwards = sys.argv[1:5]
    folder = Path(name)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(0))
    children = [
        Child(command, folder / "logs" / f"{role}.log", int(descriptor))
        for role, command in commands(folder, scene, int(descriptor)).items()
    ]
    try:
        while not select.select([sys.stdin], [], [], LOOK_S)[0]:
            for child in children:
                child.look()
    finally:
        _clear(children)
        if afterwards == "remove":
            shutil.rmtree(folder, ignore_errors=True)


def _clear(children: Sequence[Child]) -> None:
    for child in children:
        child.end()
    until = time.monotonic() + GRACE_S
    for child in children:
        child.wait(until)


if __name__ == "__main__":
    main()
