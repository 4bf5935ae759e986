"""A person at a real terminal: types into a pty and waits for what appears on it."""

import asyncio
import os
import pty
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import IO, Any

from tests.patience import PATIENCE_S


class Person:
    """Types and reads; `seen` is every byte that the program wrote, as text."""

    def __init__(self, descriptor: int, process: asyncio.subprocess.Process) -> None:
        self._descriptor = descriptor
        self._arrived = asyncio.Event()
        self._read_to = 0
        self.process = process
        self.seen = ""
        asyncio.get_running_loop().add_reader(descriptor, self._read)

    def type(self, text: str) -> None:
        """Press keys; a carriage return is Enter."""
        os.write(self._descriptor, text.encode())

    async def sees(self, text: str, within_s: float = PATIENCE_S) -> None:
        """Wait until the text appears after what was last waited for."""
        async with asyncio.timeout(within_s):
            while (found := self.seen.find(text, self._read_to)) < 0:
                self._arrived.clear()
                await self._arrived.wait()
        self._read_to = found + len(text)

    def modes(self) -> list[Any]:
        """Return the terminal's modes (echo, line editing, …)."""
        return termios.tcgetattr(self._descriptor)

    def _read(self) -> None:
        with suppress(OSError):  # EIO: the program is gone
            self.seen += os.read(self._descriptor, 65_536).decode(errors="replace")
        self._arrived.set()


@asynccontextmanager
async def at_terminal(
    module: str, *arguments: str, errors: IO[str] | None = None
) -> AsyncIterator[Person]:
    """Run a Python module on a pty of 24 by 100; kills it on the way out if it still runs.

    `errors` takes its standard error away from the terminal.
    """
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    environment = os.environ | {"TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments),
        stdin=theirs,
        stdout=theirs,
        stderr=errors or theirs,
        env=environment,
    )
    person = Person(ours, process)
    try:
        yield person
    finally:
        asyncio.get_running_loop().remove_reader(ours)
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        os.close(ours)
        os.close(theirs)
