"""The command line of the crawler.

`main` turns every foreseen error into one line on stderr and exit code 2.
"""

import sys
from typing import NoReturn

import typer

from crawler import sendcli
from pulsebot.errors import PulsebotError

app = typer.Typer(
    name="crawler",
    help="Watch services and stream their events to pulsebot.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(sendcli.app, name="send")


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 done, 1 done in part, 2 not done, 130 interrupted."""
    try:
        code = app(arguments, prog_name="crawler", standalone_mode=False)
    except typer.TyperException as error:
        code = _complain(error.format_message())
    except PulsebotError as error:
        code = _complain(str(error))
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    sys.exit(code if isinstance(code, int) else 0)


def _complain(text: str) -> int:
    typer.echo(f"crawler: {text}", err=True)
    return 2
