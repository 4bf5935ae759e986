"""Settings of a crawler: what a `crawler.yaml` may say, apart from the probes themselves.

The SDK and the agent share one file, so all that it may say is known here. The probes' own
settings are checked by the agent (`crawler.agent.AgentSettings`), so that an app with the SDK
needs none of their libraries.

This module must not know what runs with these settings.
"""

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field

from crawler.origin import MAX_TAG_KEY, MAX_TAG_VALUE
from crawler.spool import Limits
from pulsebot import configfile
from pulsebot.errors import InvalidConfig, Problem
from pulsebot.logs import Logs
from pulsebot.stream.config import LocalStream, Section, StreamSettings

FILE = Path("crawler.yaml")
PREFIX = "CRAWLER_"


class SpoolSettings(Section):
    """Where events wait for the stream, and how many may."""

    path: Path = Path("crawler-spool")
    """A folder; all processes of one host that write to the same stream may share it."""
    max_events: Annotated[int, Field(ge=100)] = 1_000_000
    max_mb: Annotated[float, Field(ge=1)] = 256

    def limits(self) -> Limits:
        """Return the bounds of one spool file."""
        return Limits(self.max_events, int(self.max_mb * 1024 * 1024))


Tags = dict[
    Annotated[str, Field(min_length=1, max_length=MAX_TAG_KEY)],
    Annotated[str, Field(max_length=MAX_TAG_VALUE)],
]


class Settings(Section):
    """Everything that `crawler.yaml` may say."""

    service: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    """Service of probes that name none."""
    instance: Annotated[str, Field(max_length=255)] = Field(default_factory=socket.gethostname)
    tags: Tags = {}  # noqa: RUF012 - pydantic copies mutable defaults
    """Tags of every event, such as `env: prod`."""
    stream: StreamSettings = LocalStream()
    spool: SpoolSettings = SpoolSettings()
    logs: Logs = Logs()
    report_as: Annotated[str, Field(min_length=1, max_length=255)] | None = "crawler"
    """Service under which the agent tells its own state; null: it does not."""
    probes: tuple[Any, ...] = ()


S = TypeVar("S", bound=Settings)


def load(model: type[S], config: Path | None = None, environ: Mapping[str, str] | None = None) -> S:
    """Return the settings from `config`, else from `crawler.yaml` in the working folder.

    Where there is no such file, the defaults hold. Variables `CRAWLER_…` go before the file.
    Raises InvalidConfig with every problem.
    """
    if config is not None and not config.is_file():
        why = "is a folder; name the file" if config.is_dir() else "there is no such file"
        raise InvalidConfig([Problem(str(config), 0, why)])
    path = config or (FILE if FILE.is_file() else None)
    return configfile.load(model, path, os.environ if environ is None else environ, PREFIX)
