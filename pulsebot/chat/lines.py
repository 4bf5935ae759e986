"""Reads lines from a text stream without blocking the loop and without a thread.

Knows nothing of what the lines mean. The descriptor keeps its flags: it may be shared with
the shell that started us.
"""

import asyncio
import os
from collections.abc import AsyncGenerator
from typing import TextIO


async def read_lines(stream: TextIO) -> AsyncGenerator[str, None]:
    """Yield each line without its line break until the stream ends.

    Pipes, sockets and terminals are awaited. What the system cannot wait for (a regular file,
    /dev/null, memory) never blocks, and is read directly.
    """
    try:
        descriptor = stream.fileno()
        rest = b""
        while chunk := await _read(descriptor):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield line.decode(errors="replace").rstrip("\r")
        if rest:
            yield rest.decode(errors="replace")
    except (PermissionError, ValueError):  # not to be waited for; no descriptor at all
        for text in stream:
            yield text.rstrip("\r\n")


async def _read(descriptor: int) -> bytes:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
    return os.read(descriptor, 65_536)
