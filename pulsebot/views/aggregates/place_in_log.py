"""LATEST_BY_OFFSET, EARLIEST_BY_OFFSET, COLLECT_LIST: values by their records' place in the log.

States hold the places, so the result is the same in whatever order records were read.
"""

from bisect import insort
from typing import Any, ClassVar

from pulsebot.views.aggregates.base import Order, Value

MAX_LIST = 1_000
"""Values of a COLLECT_LIST; those that come first in the log are kept."""

Placed = list[Any]
"""A place in the log, as a list, and the value there."""


class Latest:
    """The value of the last record."""

    ordered: ClassVar[bool] = True
    weighed: ClassVar[bool] = False

    def start(self) -> Placed | None:
        """Return that there is none."""
        return None

    def add(self, state: Placed | None, value: Value, times: int, order: Order) -> Placed | None:  # noqa: ARG002 - the contract
        """Take a value in."""
        return self.merge(state, [list(order), value])

    def merge(self, left: Placed | None, right: Placed | None) -> Placed | None:
        """Return the later of both."""
        if left is None or right is None:
            return right if left is None else left
        return left if self._wins(left[0], right[0]) else right

    def result(self, state: Placed | None) -> Value:
        """Return the value."""
        return None if state is None else state[1]

    def _wins(self, left: list[int], right: list[int]) -> bool:
        return left >= right


class Earliest(Latest):
    """The value of the first record."""

    def _wins(self, left: list[int], right: list[int]) -> bool:
        return left <= right


class CollectList:
    """The values in the order of the log."""

    ordered: ClassVar[bool] = True
    weighed: ClassVar[bool] = False

    def start(self) -> list[Placed]:
        """Return none."""
        return []

    def add(self, state: list[Placed], value: Value, times: int, order: Order) -> list[Placed]:  # noqa: ARG002 - the contract
        """Put a value in its place."""
        insort(state, [list(order), value], key=_place)
        del state[MAX_LIST:]
        return state

    def merge(self, left: list[Placed], right: list[Placed]) -> list[Placed]:
        """Return the first values of both."""
        return sorted([*left, *right], key=_place)[:MAX_LIST]

    def result(self, state: list[Placed]) -> list[Value]:
        """Return the values."""
        return [value for _, value in state]


def _place(placed: Placed) -> list[int]:
    place: list[int] = placed[0]
    return place
