"""The oracle: what checkout itself says that it triggered, against which the bot is checked.

This module must not know how the bot counts.
"""

import time
from pathlib import Path
from zoneinfo import ZoneInfo

from pulsebot.timespan import Timespan, parse_timespan


class Oracle:
    """Reads checkout's own record; `zone` is the one in which today is meant."""

    def __init__(self, sent: Path, zone: ZoneInfo) -> None:
        self._sent = sent
        self._zone = zone

    def today(self) -> Timespan:
        """Return today, from its midnight until now."""
        return parse_timespan("today", now=time.time_ns() // 1_000_000, zone=self._zone)

    def resting(self) -> bool:
        """Tell whether checkout has said that nothing more will come."""
        return any(name == "rest" for _, name in self._lines())

    def triggers(self, since_ms: int) -> int:
        """Return the triggers since then."""
        return sum(at * 1000 >= since_ms for at, name in self._lines() if name != "rest")

    def _lines(self) -> list[tuple[float, str]]:
        if not self._sent.exists():
            return []
        complete = self._sent.read_text("ascii").rpartition("\n")[0]
        pairs = (line.split() for line in complete.splitlines())
        return [(float(at), name) for at, name in pairs]
