"""`crawler check`: whether the settings are sound, and what they need is there."""

import asyncio
from collections.abc import Iterator

from crawler.agent import AgentSettings
from crawler.spoolfolder import SpoolFolder
from pulsebot.errors import PulsebotError
from pulsebot.stream.config import StreamSettings
from pulsebot.stream.open import open_writer

STREAM_S = 5.0


def check(settings: AgentSettings) -> Iterator[tuple[bool, str]]:
    """Yield for each thing whether it is well, and a line that says so."""
    for probe in settings.probes:
        yield True, f"probe {probe.watched()} of {probe.service or settings.service}"
    if not settings.probes:
        yield True, "no probes: only the crawler itself is reported"
    try:
        SpoolFolder(settings.spool.path, settings.spool.limits()).open_own().close()
        yield True, f"spool {settings.spool.path}"
    except PulsebotError as error:
        yield False, f"spool: {error}"
    yield asyncio.run(_stream(settings.stream))


async def _stream(stream: StreamSettings) -> tuple[bool, str]:
    where = str(stream.path) if stream.type == "local" else ", ".join(stream.bootstrap)
    try:
        async with asyncio.timeout(STREAM_S), open_writer(stream):
            return True, f"stream {stream.type} {where}"
    except TimeoutError:
        return False, f"stream {stream.type} {where}: no answer within {STREAM_S:g} s"
    except PulsebotError as error:
        return False, f"stream {stream.type}: {error}"
