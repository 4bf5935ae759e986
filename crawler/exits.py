"""What the end of a process means: a crash, or a stop that was asked for.

This module must not know how the exit code was found.
"""

import signal
from datetime import datetime

from crawler.origin import Origin
from pulsebot.event import Crash

_SHELL_OFFSET = 128
"""A shell answers 128 + n where its child died of signal n."""


def signal_name(number: int) -> str:
    """Return a signal's name such as SIGSEGV."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def words(code: int | None) -> str:
    """Return how a process ended; negative codes are signals, None is not known."""
    if code is None:
        return "exited (code unknown)"
    return f"killed by {signal_name(-code)}" if code < 0 else f"exited with code {code}"


def crash_of(origin: Origin, at: datetime, code: int | None) -> Crash | None:
    """Return the crash that an exit code means: any signal, any code but 0; None: no crash."""
    if not code:
        return None
    if code < 0:
        name = signal_name(-code)
        return origin.crash(at, name, message=words(code), signal=name)
    return origin.crash(at, f"exit code {code}", message=words(code), exit_code=code)


def shell_code(code: int) -> int:
    """Return the exit code by which a wrapper passes on how its child ended."""
    return _SHELL_OFFSET - code if code < 0 else code
