"""The contract of an aggregate: a state that rows are added to, and that merges with another.

Adding and merging must not depend on order, so that a view is the same for any arrival order
and however events fell into batches. A state is made of None, bool, int, float, str, bytes and
lists of these, because it is kept in the database; it may be changed in place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from pulsebot.views.datatype import Type

State = Any
Value = Any

Order = tuple[int, int, int]
"""Where a record stands in the log: log time, partition, offset. Later records are greater."""


class Aggregate(Protocol):
    """One aggregate function applied to one expression."""

    ordered: ClassVar[bool]
    """Whether `add` needs to know each row's place in the log."""

    weighed: ClassVar[bool]
    """Whether a value that stands for several (`times`) counts as often."""

    def start(self) -> State:
        """Return the state of no rows."""

    def add(self, state: State, value: Value, times: int, order: Order) -> State:
        """Return the state with a value added `times` times; the value is never None."""

    def merge(self, left: State, right: State) -> State:
        """Return the state of both states' rows together."""

    def result(self, state: State) -> Value:
        """Return the value to show: None, bool, int, float, str, or a list of those."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A row of the table of aggregates: how one is made for an argument.

    `constants` says how many constant arguments follow the value (the k of TOPK).
    `make(constants)` may raise ValueError with what is wrong with them.
    """

    make: Any
    gives: Type | None
    """Type of the result; None for that of the argument."""
    takes: Type = Type.ANY
    constants: int = 0

    def result(self, argument: Type) -> Type:
        """Return the type of the result."""
        return self.gives or argument

    def __str__(self) -> str:
        """Say what it takes and gives: `(DOUBLE, constant) → DOUBLE`."""
        return f"({self.takes}{', constant' * self.constants}) → {self.gives or 'the same'}"


def constant(values: Sequence[Any], most: int) -> int:
    """Return the one constant, a whole number from 1 to `most`; raises ValueError."""
    [number] = values
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= most:
        raise ValueError(f"needs a whole number from 1 to {most}")
    return number
