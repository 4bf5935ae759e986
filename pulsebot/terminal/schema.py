"""`pulsebot schema`: the form of events, for machines."""

import json

import typer

from pulsebot.event import json_schema


def schema() -> None:
    """Print the JSON Schema of events as they go over the wire."""
    typer.echo(json.dumps(json_schema(), indent=2))
