"""The identity of a crash: which crashes are "the same one again".

Two crashes are the same when the error type and the shape of the stack agree; line numbers,
addresses, ids and other values that differ from one run to the next are left out. A sender
that knows better states `fingerprint` itself.

This module must not know what is done with a fingerprint.
"""

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache

from pulsebot.event import Crash

MAX_FRAMES = 8
"""Innermost frames that count; deeper ones tell how we got there, not what broke."""

MAX_STACK = 16_000
"""Characters looked at from either end of a stack: bounds the work, whatever is sent."""

MAX_MESSAGE = 500
"""Characters looked at of a message, where there is no stack."""

REMEMBERED = 64
"""Stacks and messages whose shape is remembered: a crash loop sends the same one on and on."""

_PYTHON_FRAME = re.compile(
    r'^[\s|]*File "(?P<file>[^"\n]{1,300})", line \d{1,9}, in (?P<function>\S{1,200})'
)
_JAVA_FRAME = re.compile(r"^\s*at (?P<function>[\w.$<>/@-]{1,300})\(")
_NODE_FRAME = re.compile(r"^\s*at (?:async )?(?P<function>[\w.$<>\[\]# ]{1,200}) \(")
_GOROUTINE = re.compile(r"^goroutine \d{1,19} .*:$", re.MULTILINE)
_GO_FRAME = re.compile(
    r"^(?P<function>[\w./%\[\]-]{1,200}(?:\(\*\S{1,100}?\)[\w.\[\]]{1,200})?)\([^()\n]*\)$"
)
_GENERATED = re.compile(
    r"@[\w.-]{1,50}(?=/)|/0x[0-9a-f]+|(?<=\$\$Lambda)\$?\d+|(?<=\$Proxy)\d+"
    r"|(?<=Accessor)\d+|(?<=CGLIB\$\$)[0-9a-f]+"
)
"""What the JVM's own class names change with each run: versions, numbers, addresses."""

_VALUE = re.compile(r"0x[0-9a-fA-F]+|[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|\d+")


def fingerprint(event: Crash) -> str:
    """Return the identity of a crash: the sender's own, else 12 hexadecimal digits."""
    data = event.data
    if data.fingerprint:
        return data.fingerprint
    shape = _shape(_ends(data.stack or ""), (data.message or "")[:MAX_MESSAGE])
    parts = [data.error, *shape, data.signal or "", str(data.exit_code or "")]
    return hashlib.blake2b("\0".join(parts).encode(errors="replace"), digest_size=6).hexdigest()


@lru_cache(maxsize=REMEMBERED)
def _shape(stack: str, message: str) -> Sequence[str]:
    return _frames(stack) or [_VALUE.sub("#", message)]


def _frames(stack: str) -> list[str]:
    frames = []
    if (goroutines := _GOROUTINE.split(stack, 1))[1:]:
        # The first one is what died; which others there were changes with each run.
        lines = goroutines[1].partition("\n\n")[0].splitlines()
        matches = map(_GO_FRAME.match, lines)
        return [frame["function"] for frame in matches if frame][:MAX_FRAMES]
    for line in stack.splitlines():
        if found := _PYTHON_FRAME.match(line):
            frames.append(f"{found['file'].rpartition('/')[2]}:{found['function']}")
        elif found := _JAVA_FRAME.match(line) or _NODE_FRAME.match(line):
            frames.append(_GENERATED.sub("", found["function"]))
    python = any(":" in frame for frame in frames)
    # Python prints the innermost frame last, the others first.
    return frames[-MAX_FRAMES:] if python else frames[:MAX_FRAMES]


def _ends(stack: str) -> str:
    """Return what holds the innermost frames, first or last; a line that is cut is left out."""
    if len(stack) <= 2 * MAX_STACK:
        return stack
    head, tail = stack[:MAX_STACK], stack[-MAX_STACK:]
    return f"{head.rpartition(chr(10))[0]}\n{tail.partition(chr(10))[2]}"
