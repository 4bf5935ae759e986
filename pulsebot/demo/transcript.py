"""A transcript: an output that passes everything on, remembers it, and can be waited on."""

import asyncio
import contextlib
import io
import re
from typing import TextIO


class Transcript(io.TextIOBase):
    """Stands in for standard output; no terminal, so plain lines are written to it."""

    def __init__(self, sink: TextIO) -> None:
        self._sink = sink
        self._news = asyncio.Event()
        self.text = ""

    def write(self, text: str) -> int:
        """Pass text on and remember it."""
        self._sink.write(text)
        self.text += text
        self._news.set()
        return len(text)

    def flush(self) -> None:
        """Flush the real output."""
        self._sink.flush()

    async def until(self, pattern: str, *, within_s: float, after: int = 0) -> re.Match[str] | None:
        """Wait for a pattern in what is written after a place; None after that time."""
        wanted = re.compile(pattern, re.MULTILINE)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while (found := wanted.search(self.text, after)) is None:
                    self._news.clear()
                    await self._news.wait()
                return found
        return None
