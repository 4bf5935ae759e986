"""The command line of the crawler.

`main` turns every foreseen error into one line on stderr and exit code 2.
"""

import asyncio
import logging
import sys
from typing import Annotated, NoReturn

import typer

from crawler import sendcli
from crawler.origin import Origin
from crawler.sendcli import Config
from crawler.settings import Settings, load
from pulsebot import logs
from pulsebot.errors import PulsebotError
from pulsebot.logs import Logs

UNUSABLE = 2
"""Exit code: what was given cannot be used."""

app = typer.Typer(
    name="crawler",
    help="Watch services and stream their events to pulsebot.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(sendcli.app, name="send")


@app.command()
def run(config: Config = None) -> None:
    """Run the probes of the settings file until stopped."""
    from crawler import agent  # noqa: PLC0415 - `send` starts sooner without the probes' libraries

    settings = agent.load_agent(config)
    logs.configure(settings.logs, logs.secrets_of(settings))
    asyncio.run(agent.run(settings, config))


@app.command()
def check(config: Config = None) -> None:
    """Check the settings, the spool and the stream."""
    from crawler import agent, checking  # noqa: PLC0415 - same

    results = list(checking.check(agent.load_agent(config)))
    for well, line in results:
        typer.echo(f"{'ok' if well else 'FAILED'}  {line}")
    if not all(well for well, _ in results):
        raise typer.Exit(2)


@app.command("exec", context_settings={"allow_interspersed_args": False})
def execute(
    command: Annotated[list[str], typer.Argument(help="The command, best after `--`.")],
    *,
    service: Annotated[str | None, typer.Option(help="Its service.")] = None,
    instance: Annotated[str | None, typer.Option(help="Its instance.")] = None,
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between heartbeats.")] = 10,
    config: Config = None,
) -> None:
    """Run a command; a bad end of it is a crash of the service."""
    from crawler import wrapper  # noqa: PLC0415 - same

    settings = load(Settings, config)
    logs.configure(settings.logs, logs.secrets_of(settings))
    name = service or settings.service
    if name is None:
        raise typer.BadParameter("give --service, or `service` in the settings file")
    origin = Origin(name, instance or settings.instance, settings.tags)
    raise typer.Exit(asyncio.run(wrapper.run(command, origin, settings, interval)))


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 done, 1 done in part, 2 not done, 130 interrupted."""
    try:
        logs.configure(Logs(level="warning"))  # `run` and `exec` speak up by their own settings
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # our own line says the same
        code = app(arguments, prog_name="crawler", standalone_mode=False)
    except typer.TyperException as error:
        code = _complain(error.format_message())
    except PulsebotError as error:
        code = _complain(str(error))
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    sys.exit(code if isinstance(code, int) else 0)


def _complain(text: str) -> int:
    """Tell what is wrong; where no command was given, that is the help itself."""
    typer.echo(text if text.startswith("Usage:") else f"crawler: {text}", err=True)
    return UNUSABLE
