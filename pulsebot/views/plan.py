"""Plans: what a table over a stream means, ready to be kept up to date.

Values only: `planner` makes them from a query.
"""

from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from pulsebot.views import windowing
from pulsebot.views.aggregates.base import Aggregate
from pulsebot.views.datatype import Type
from pulsebot.views.expression import Attributes, Evaluate
from pulsebot.views.source import Source
from pulsebot.views.statement import WindowClause


@dataclass(frozen=True, slots=True)
class Applied:
    """An aggregate and the expression that it is applied to; None for `COUNT(*)`."""

    aggregate: Aggregate
    argument: Evaluate | None
    weighed: bool


@dataclass(frozen=True, slots=True)
class Output:
    """A column of the result, computed from a `Result`."""

    name: str
    type: Type
    value: Evaluate
    key: bool = False


Result = tuple[Any, ...]
"""What outputs are computed from: the key's parts, the aggregates' results, start and end."""


@dataclass(frozen=True, slots=True)
class TablePlan:
    """A table over a stream: everything that is needed to keep it."""

    source: Source
    where: Evaluate | None
    keys: tuple[Evaluate, ...]
    aggregates: tuple[Applied, ...]
    outputs: tuple[Output, ...]
    having: Evaluate | None
    window: WindowClause | None
    zone: ZoneInfo
    final: bool
    attributes: Attributes
    """What rows are taken in by: those that share these attributes and their minute count as
    one. None where each counts by itself."""

    @property
    def grace_ms(self) -> int | None:
        """How long after its end a window still takes rows; None for always."""
        clause = self.window
        return windowing.length_ms(clause.grace) if clause and clause.grace else None

    @property
    def settles_ms(self) -> int:
        """How long after its end a window may change: a session grows until its gap is over."""
        return (self.grace_ms or 0) + (self.gap_ms or 0)

    @property
    def gap_ms(self) -> int | None:
        """The inactivity that ends a session; None where windows are no sessions."""
        clause = self.window
        return windowing.length_ms(clause.size) if clause and clause.kind == "SESSION" else None
