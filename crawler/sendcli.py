"""`crawler send …`: the commands that send one event, or a stream of them from stdin.

This module must not know how events reach the stream.
"""

import os
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from msgspec.structs import replace

from crawler.origin import LEVELS, Origin, level_of, moment
from crawler.sender import parse_lines, send
from crawler.settings import Settings, load
from pulsebot.errors import InvalidInput
from pulsebot.event import Event, Level, State, decode, encode

app = typer.Typer(help="Send events by hand or from a script.", no_args_is_help=True)

Service = Annotated[str, typer.Argument(help="The service that the event is about.")]
At = Annotated[
    str | None, typer.Option(help="When: 2026-11-23T10:00:00Z (with a zone); default now.")
]
Tag = Annotated[list[str] | None, typer.Option("--tag", help="name=value; may be repeated.")]
Instance = Annotated[str | None, typer.Option(help="Which instance of the service.")]
Id = Annotated[
    str | None, typer.Option("--id", help="The event's id; the same id again counts once.")
]
Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Settings file; else crawler.yaml in this folder."),
]
Within = Annotated[float, typer.Option(min=0.1, help="Seconds to wait for the stream.")]


@dataclass(frozen=True, slots=True)
class _Sending:
    """What all kinds of event have in common on the command line."""

    service: str
    at: str | None
    tags: list[str] | None
    instance: str | None
    event_id: str | None
    config: Path | None
    within_s: float

    def origin(self) -> Origin:
        """Return whom the event is about, with the tags of the settings and our own."""
        if not self.service.strip():
            raise InvalidInput("the service must not be empty")
        tags = {**load(Settings, self.config).tags, **_tags(self.tags or ())}
        return Origin(self.service, self.instance, tags)

    def time(self) -> datetime:
        """Return the event's time."""
        return _time(self.at) if self.at else moment(time.time())

    def send(self, event: Event) -> None:
        """Send the event and confirm it in one line."""
        if self.event_id:
            event = replace(event, id=self.event_id)
        decode(encode(event))  # whatever the far end would refuse is refused here
        settings = load(Settings, self.config)
        send([[event]], settings.stream, self.within_s)
        topic = settings.stream.topics.name(event.kind.value, event.service)
        when = event.time.isoformat().replace("+00:00", "Z")
        typer.echo(f"sent {event.kind} of {event.service} at {when} to {topic} (id {event.id})")


@app.command()
def trigger(  # noqa: PLR0913 - one parameter per option
    service: Service,
    *,
    count: Annotated[int, typer.Option(min=1, max=10**12, help="How many triggers.")] = 1,
    at: At = None,
    name: Annotated[str | None, typer.Option(help="What was triggered.")] = None,
    duration_ms: Annotated[float | None, typer.Option(min=0, help="How long it took.")] = None,
    tag: Tag = None,
    instance: Instance = None,
    event_id: Id = None,
    config: Config = None,
    within: Within = 10,
) -> None:
    """Say that a service was triggered."""
    sending = _Sending(service, at, tag, instance, event_id, config, within)
    sending.send(
        sending.origin().trigger(sending.time(), name=name, count=count, duration_ms=duration_ms)
    )


@app.command()
def crash(  # noqa: PLR0913 - one parameter per option
    service: Service,
    *,
    error: Annotated[str, typer.Option(help="What kind of error, such as ValueError.")],
    message: Annotated[str | None, typer.Option(help="What it said.")] = None,
    stack_file: Annotated[
        str | None, typer.Option(help="File with the stack trace; - reads it from stdin.")
    ] = None,
    exit_code: Annotated[int | None, typer.Option(help="Exit code of the process.")] = None,
    signal: Annotated[str | None, typer.Option(help="Signal that ended it: SIGSEGV.")] = None,
    fingerprint: Annotated[str | None, typer.Option(help="Which crashes are the same.")] = None,
    at: At = None,
    tag: Tag = None,
    instance: Instance = None,
    event_id: Id = None,
    config: Config = None,
    within: Within = 10,
) -> None:
    """Say that a service crashed."""
    sending = _Sending(service, at, tag, instance, event_id, config, within)
    sending.send(
        sending.origin().crash(
            sending.time(),
            error,
            message=message,
            stack=_text(stack_file) if stack_file else None,
            exit_code=exit_code,
            signal=signal,
            fingerprint=fingerprint,
        )
    )


@app.command()
def status(  # noqa: PLR0913 - one parameter per option
    service: Service,
    *,
    state: Annotated[State, typer.Option(help="How it is doing.")],
    reason: Annotated[str | None, typer.Option(help="Why.")] = None,
    at: At = None,
    tag: Tag = None,
    instance: Instance = None,
    event_id: Id = None,
    config: Config = None,
    within: Within = 10,
) -> None:
    """Say how an instance of a service is doing."""
    sending = _Sending(service, at, tag, instance, event_id, config, within)
    sending.send(sending.origin().status(sending.time(), state.value, reason=reason))


@app.command()
def message(  # noqa: PLR0913 - one parameter per option
    service: Service,
    text: Annotated[str, typer.Argument(help="What to tell people.")],
    *,
    level: Annotated[str, typer.Option(help=f"One of {', '.join(LEVELS)}.")] = "info",
    title: Annotated[str | None, typer.Option(help="Headline.")] = None,
    link: Annotated[str | None, typer.Option(help="Where to read more.")] = None,
    at: At = None,
    tag: Tag = None,
    instance: Instance = None,
    event_id: Id = None,
    config: Config = None,
    within: Within = 10,
) -> None:
    """Tell people something in the name of a service."""
    sending = _Sending(service, at, tag, instance, event_id, config, within)
    sending.send(
        sending.origin().message(sending.time(), text, title=title, level=_level(level), link=link)
    )


@app.command("-")
def lines(config: Config = None, within: Within = 10) -> None:
    """Send newline-delimited CloudEvents from stdin.

    Lines that cannot be used are told and skipped.
    """
    bad = 0

    def report(number: int, why: str) -> None:
        nonlocal bad
        bad += 1
        typer.echo(f"stdin:{number}: {why}", err=True)

    batches = parse_lines(partial(os.read, sys.stdin.fileno()), report)
    sent = send(batches, load(Settings, config).stream, within)
    skipped = f", skipped {bad:,} line{'s' * (bad > 1)}" if bad else ""
    typer.echo(f"sent {sent:,} event{'s' * (sent != 1)}{skipped}")
    if bad:
        raise typer.Exit(1)


def _time(text: str) -> datetime:
    try:
        time_ = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(
            f"--at {text!r} is not a time; write it like 2026-11-23T10:00:00Z"
        ) from None
    if time_.tzinfo is None:
        raise InvalidInput(f"--at {text!r} has no zone; add Z for UTC, or +01:00")
    return time_


def _tags(pairs: Iterable[str]) -> dict[str, str]:
    tags = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (name and equals):
            raise InvalidInput(f"--tag {pair!r} must be name=value")
        tags[name] = value
    return tags


def _level(word: str) -> Level:
    if word not in LEVELS:
        raise InvalidInput(f"--level {word!r} must be one of {', '.join(LEVELS)}")
    return level_of(word)


def _text(path: str) -> str:
    if path == "-":
        return sys.stdin.buffer.read().decode("utf-8", "replace")
    try:
        return Path(path).read_text("utf-8", "replace")
    except OSError as error:
        raise InvalidInput(f"--stack-file {path}: {error.strerror}") from error
