"""What every terminal command needs: the settings that were meant, and how errors are told."""

from pathlib import Path
from typing import Annotated

import typer
from tzlocal import get_localzone_name

from pulsebot import settings
from pulsebot.civil import zone_of
from pulsebot.errors import InvalidInput
from pulsebot.phrases import zone_name
from pulsebot.settings import Settings

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Settings file; else pulsebot.yaml in this folder."),
]


def load_settings(config: Path | None) -> Settings:
    """Read the settings; raises InvalidConfig with every problem."""
    return settings.load(config)


def local_zone() -> str:
    """Return the machine's zone by its IANA name, UTC where it has none."""
    try:
        return zone_name(zone_of(get_localzone_name()).key)
    except (InvalidInput, LookupError, OSError):
        return "UTC"


def existing_database(loaded: Settings) -> Path:
    """Return the database file; raises InvalidInput where the bot never ran."""
    if not loaded.database.exists():
        raise InvalidInput(f"{loaded.database}: no database yet; start the bot: pulsebot run")
    return loaded.database
