"""What is published: the columns of a view's version, and its rows in the order they changed.

The order of changes is that of their spots. This module must not know where rows come from,
nor where they go.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from pulsebot.errors import PulsebotError
from pulsebot.views.datatype import Type


class Spot(NamedTuple):
    """A place in the order of changes: those at it and before it are known.

    A revision is a transaction of the source; key (JSON) and start of the window (ms) name the
    row within it.
    """

    revision: int
    key: str
    start_ms: int


START = Spot(-1, "", 0)
"""Before the first change."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How many changed rows of a view are not published yet, and how many were since the start."""

    behind: int
    written: int


@dataclass(frozen=True, slots=True)
class Column:
    """A visible column."""

    name: str
    type: Type


@dataclass(frozen=True, slots=True)
class Layout:
    """What one version of a view looks like; a version that replaces it has another number."""

    view: str
    version: int
    columns: tuple[Column, ...]
    windowed: bool


class Change(NamedTuple):
    """A row as it is now: the end of its window (ms) and its values in the layout's order.

    None for the values of a row that is not to be seen any longer, or never was.
    """

    spot: Spot
    end_ms: int
    values: Sequence[Any] | None


class Batch(NamedTuple):
    """Changes in their order, each row at most once; `more` where others wait already."""

    changes: Sequence[Change]
    more: bool


class Source(Protocol):
    """The views of one database."""

    @property
    def epoch(self) -> str:
        """The span of the database's past that this process writes."""

    @property
    def named(self) -> Collection[str]:
        """The views that are to be published by name; none where all are."""

    async def live(self) -> dict[str, Layout]:
        """Return the views that are to be published and complete, by name."""

    async def changes(self, layout: Layout, after: Spot) -> Batch | None:
        """Return the next changes after a spot, whole revisions where they fit.

        Bounded. None where this version of the view is there no longer.
        """

    async def remembers(self, layout: Layout, revision: int) -> bool:
        """Tell whether `changes` still tells all rows that went after a revision.

        Not those of long ago. True for the changes that were read before it was asked.
        """

    async def revision(self) -> int:
        """Return the revision of the latest change to any view."""

    async def behind(self, layout: Layout, after: Spot) -> int:
        """Return how many rows changed after a spot."""

    async def continues(self, epoch: str, revision: int) -> bool:
        """Tell whether what was known at a revision of an epoch is a part of the present past.

        It is not where the database was set back, or is another one.
        """

    async def dropped(self, view: str) -> bool:
        """Tell whether a view of that name is neither there nor being built."""


class Refused(PulsebotError):
    """Report that a view cannot be kept over there: the text names the fault and the mend."""


class Overtaken(PulsebotError):
    """Report that somebody else has written since: what is there must be looked at again."""


class Forgotten(PulsebotError):
    """Report that more rows went than are remembered: all must be copied again."""


class Superseded(PulsebotError):
    """Report that the version being copied was replaced or dropped meanwhile."""
