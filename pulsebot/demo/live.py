"""The demo at a terminal: until the person has seen enough."""

from pathlib import Path

from pulsebot.demo import banner
from pulsebot.demo.performance import performing


async def play(folder: Path | None) -> None:
    """Show everything until Ctrl-C, Ctrl-D, `exit`, SIGTERM or a closed terminal."""
    async with performing(folder, "live", banner.show) as performance:
        await performance.run()
