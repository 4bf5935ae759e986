"""What a probe is: something that watches for ever and reports events.

This module must not know any particular probe, or where events go.
"""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Annotated, Protocol

from pydantic import Field

from crawler.origin import Origin
from crawler.settings import Tags
from pulsebot.event import Event
from pulsebot.stream.config import Section


class ProbeSection(Section):
    """What all probes' settings have."""

    service: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    """Service that the events are about; unset: that of the file."""
    instance: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    """Unset: that of the file."""
    tags: Tags = {}  # noqa: RUF012 - pydantic copies mutable defaults

    def watched(self) -> str:
        """Return what is watched, in a word for people that is the same after a restart."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Report:
    """What a probe found at one look.

    `mark` is stored in one step with the events, and handed to the probe when it is made
    again: how far it has read.
    """

    events: tuple[Event, ...]
    mark: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a probe works: the defaults of the file, and the mark of its last report."""

    service: str | None
    instance: str
    tags: Mapping[str, str]
    mark: str | None = None

    def origin(self, section: ProbeSection) -> Origin:
        """Return whom a probe's events are about. Raises ValueError where no service is named."""
        service = section.service or self.service
        if service is None:
            raise ValueError("name a `service`, in the probe or at the top of the file")
        return Origin(service, section.instance or self.instance, {**self.tags, **section.tags})


class Probe(Protocol):
    """Watches one thing."""

    def probe(self) -> AsyncGenerator[Report, None]:
        """Yield reports for ever. An exception ends this look at it; the agent starts it again."""
