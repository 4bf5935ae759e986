"""`pulsebot init`: a folder that runs as it is."""

from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from pulsebot.errors import InvalidInput
from pulsebot.terminal.context import local_zone

FILES = {
    "pulsebot.yaml": "pulsebot.yaml",
    "crawler.yaml": "crawler.yaml",
    "rules/rules.yaml": "rules.yaml",
    "rules/views.sql": "views.sql",
}
"""What is written, and the template in `pulsebot/terminal/scaffold` it is a copy of."""


def init(folder: Annotated[Path, typer.Argument(help="A new or empty folder.")]) -> None:
    """Write settings and rules that run as they are."""
    if present := [name for name in FILES if (folder / name).exists()]:
        raise InvalidInput(
            f"{folder / present[0]} exists already; nothing was written. Give another folder"
        )
    for name, template in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_template(template), encoding="utf-8")
        typer.echo(f"wrote {path}")
    enter = "" if folder == Path() else f"cd {folder} && "
    typer.echo(
        f"\nNow, in two terminals:\n"
        f"  {enter}pulsebot run\n"
        f"  {enter}crawler run\n"
        'and in a third: pulsebot ask "/status"'
    )


def _template(name: str) -> str:
    text = (resources.files("pulsebot.terminal") / "scaffold" / name).read_text(encoding="utf-8")
    return text.replace("@ZONE@", local_zone())
