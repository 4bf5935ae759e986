"""Records as texts: what tests of the embedded log write and read back."""

import asyncio
import sqlite3
from pathlib import Path

from pulsebot.stream.base import Outgoing, Reader
from tests.patience import PATIENCE_S


def outgoing(*texts: str, timestamp: int | None = None, topic: str = "t") -> list[Outgoing]:
    """Return one record for each text."""
    return [Outgoing(topic, "svc-a", text.encode(), timestamp=timestamp) for text in texts]


async def drain(reader: Reader) -> list[str]:
    """Read what there is now."""
    texts = []
    while records := await reader.read(max_records=1000, timeout_s=0):
        texts += [(record.value or b"").decode() for record in records]
    return texts


async def collect(reader: Reader, count: int) -> list[str]:
    """Read until there are `count` records; fail when they do not come."""
    texts: list[str] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(texts) < count:
            records = await reader.read(max_records=count - len(texts), timeout_s=1)
            texts += [(record.value or b"").decode() for record in records]
    return texts


def sound(path: Path) -> bool:
    """Whether SQLite finds nothing wrong with the file."""
    db = sqlite3.connect(path)
    try:
        return bool(db.execute("PRAGMA integrity_check").fetchone() == ("ok",))
    finally:
        db.close()
