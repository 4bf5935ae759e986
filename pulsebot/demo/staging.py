"""Starts the stage beside the bot, and ends it: the demo's side of the pipe between them."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from pulsebot.demo.ground import ROOT, Ground
from pulsebot.demo.timetable import SceneName

END_S = 8.0
"""More than the stage gives its children."""


@contextmanager
def reserved() -> Iterator[socket.socket]:
    """Take a free loopback port for payment's health page, and hold it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        yield listener


def free_port() -> int:
    """Return a loopback port that is free now, for the bot's pages: it opens them itself."""
    with reserved() as listener:
        return int(listener.getsockname()[1])


@asynccontextmanager
async def staged(
    ground: Ground, scene: SceneName, listener: socket.socket
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run all services while entered; afterwards none of their processes is left."""
    descriptor = listener.fileno()
    afterwards = "remove" if ground.temporary else "keep"
    with ground.log("stage").open("ab") as output:
        stage = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "pulsebot.demo.stage"),
            *(str(ground.folder), scene, str(descriptor), afterwards),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env=_environment(),
            pass_fds=(descriptor,),
            start_new_session=True,  # a Ctrl-C at the terminal is ours alone
        )
    try:
        yield stage
    finally:
        await _end(stage)


async def _end(stage: asyncio.subprocess.Process) -> None:
    if stage.stdin is not None:
        stage.stdin.close()
    try:
        await asyncio.wait_for(stage.wait(), END_S)
    except TimeoutError:
        stage.kill()  # its children have their own leash
        await stage.wait()


def _environment() -> dict[str, str]:
    """Return our environment without anybody's settings of crawlers, and with our packages."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("CRAWLER_", "PULSEBOT_"))}
    paths = [str(ROOT), *filter(None, [kept.get("PYTHONPATH")])]
    return kept | {"PYTHONPATH": os.pathsep.join(paths)}
