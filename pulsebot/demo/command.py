"""`pulsebot demo`: everything at work on this machine, with no server and no token."""

import asyncio
import contextlib
from pathlib import Path
from typing import Annotated

import typer

from pulsebot.demo import live
from pulsebot.demo import script as scripted


def demo(
    *,
    script: Annotated[
        bool, typer.Option("--script", help="Play a fixed scene, check it, and exit: for CI.")
    ] = False,
    folder: Annotated[
        Path | None, typer.Option(help="A new folder to work in, which is kept.")
    ] = None,
) -> None:
    """Watch little services work and crash, and ask the bot about them."""
    if script:
        try:
            _conclude(asyncio.run(scripted.play(folder)))
        except asyncio.CancelledError:
            _conclude(["the end of the scene: it was interrupted"])
        return
    # A signal, while everything is being set up.
    with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(live.play(folder))
    typer.echo("The demo has ended; none of its processes is left.")


def _conclude(missing: list[str]) -> None:
    for what in missing:
        typer.echo(f"MISSING: {what}", err=True)
    if missing:
        raise typer.Exit(1)
    typer.echo("All alerts came, and checkout's triggers were counted exactly.")
