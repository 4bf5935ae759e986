"""`pulsebot topics`: the topics of the stream."""

import asyncio
from collections.abc import Mapping, Sequence

import typer

from pulsebot.stream.base import TopicPlan
from pulsebot.stream.config import StreamSettings
from pulsebot.stream.open import open_admin
from pulsebot.terminal.context import ConfigOption, load_settings
from pulsebot.window import DAY_MS

topics = typer.Typer(help="Prepare the stream.", no_args_is_help=True)


@topics.command()
def create(config: ConfigOption = None) -> None:
    """Create the topics that are missing.

    Partitions, replication and retention are those of the settings.
    """
    stream = load_settings(config).stream
    done = asyncio.run(_create(stream, plans(stream)))
    for topic, outcome in done.items():
        typer.echo(f"{topic}: {outcome}")


def plans(stream: StreamSettings) -> list[TopicPlan]:
    """Return what each topic that the bot reads should be; none where a pattern finds them."""
    wanted = stream.topics
    return [
        TopicPlan(
            name=name,
            partitions=wanted.partitions,
            replication=wanted.replication,
            retention_ms=int(wanted.retention_days * DAY_MS),
        )
        for name in wanted.to_read()
    ]


async def _create(stream: StreamSettings, wanted: Sequence[TopicPlan]) -> Mapping[str, str]:
    return await open_admin(stream).create(wanted)
