"""`pulsebot dlq`: look at the records that were refused, and send them again."""

import asyncio
import time
from pathlib import Path
from typing import Annotated

import typer

from pulsebot.errors import InvalidInput
from pulsebot.message import table_text
from pulsebot.store import deadletters
from pulsebot.store.database import Connection, connect
from pulsebot.store.deadletters import DeadLetter
from pulsebot.stream.base import Outgoing
from pulsebot.stream.config import StreamSettings
from pulsebot.stream.open import open_writer
from pulsebot.terminal.context import ConfigOption, existing_database, load_settings

dlq = typer.Typer(help="Look at refused records, and retry them.", no_args_is_help=True)

SHOWN_BYTES = 4_000


@dlq.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 20,
    config: ConfigOption = None,
) -> None:
    """List refused records with the reason."""
    letters = deadletters.newest(_open(config), limit)
    if not letters:
        typer.echo("no record was refused")
        return
    rows = tuple(
        (
            str(letter.id),
            time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(letter.at_ms / 1000)),
            f"{letter.topic}/{letter.partition}@{letter.offset}",
            f"{len(letter.value or b''):,}",
            "retried" if letter.retried_ms else "",
            letter.reason[:100],
        )
        for letter in letters
    )
    typer.echo(table_text(("id", "at", "record", "bytes", "", "reason"), rows))


@dlq.command()
def show(
    letter: Annotated[int, typer.Argument(help="Its id, from `pulsebot dlq list`.")],
    config: ConfigOption = None,
) -> None:
    """Show one refused record: its place, the reason, its content."""
    found = _find(_open(config), [letter])[0]
    value = found.value or b""
    typer.echo(f"record: {found.topic}/{found.partition}@{found.offset}")
    typer.echo(f"reason: {found.reason}")
    for name, header in found.headers:
        typer.echo(f"header: {name}: {header.decode(errors='backslashreplace')}")
    typer.echo(_printable(value[:SHOWN_BYTES]))
    if len(value) > SHOWN_BYTES:
        typer.echo(f"… {len(value) - SHOWN_BYTES:,} more bytes")


@dlq.command()
def retry(
    letters: Annotated[
        list[int] | None, typer.Argument(help="Ids, from `pulsebot dlq list`; or --all.")
    ] = None,
    *,
    every: Annotated[
        bool, typer.Option("--all", help="Retry all that were not retried yet.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Append refused records to the stream again.

    For example after an upgrade. The bot reads them like any other and notes the retry; one
    that is still refused becomes a new dead letter.
    """
    settings = load_settings(config)
    connection = connect(existing_database(settings), read_only=True)
    ids = deadletters.waiting(connection) if every else letters or []
    if not ids and not every:
        raise InvalidInput("which ones? Give their ids, or --all")
    if not ids:
        typer.echo("nothing to retry")
        return
    found = _find(connection, ids)
    asyncio.run(_append(settings.stream, found))
    typer.echo(f"appended {len(found)} to the stream again")


async def _append(settings: StreamSettings, letters: list[DeadLetter]) -> None:
    async with open_writer(settings) as writer:
        await writer.append(
            [
                Outgoing(x.topic, "", x.value, (*x.headers, deadletters.retry_header(x.id)))
                for x in letters
                if x.value is not None
            ]
        )


def _open(config: Path | None) -> Connection:
    return connect(existing_database(load_settings(config)), read_only=True)


def _find(connection: Connection, ids: list[int]) -> list[DeadLetter]:
    found = deadletters.find(connection, ids)
    if missing := set(ids) - {letter.id for letter in found}:
        raise InvalidInput(
            f"no dead letter {', '.join(map(str, sorted(missing)))}; see: pulsebot dlq list"
        )
    return found


def _printable(value: bytes) -> str:
    text = value.decode(errors="backslashreplace")
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)
