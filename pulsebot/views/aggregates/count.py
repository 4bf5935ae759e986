"""COUNT: how many rows, or how many with a value."""

from typing import ClassVar

from pulsebot.views.aggregates.base import Order, Value


class Count:
    """Counts; an event that stands for several counts as often."""

    ordered: ClassVar[bool] = False
    weighed: ClassVar[bool] = True

    def start(self) -> int:
        """Return zero."""
        return 0

    def add(self, state: int, value: Value, times: int, order: Order) -> int:  # noqa: ARG002 - the contract
        """Count on."""
        return state + times

    def merge(self, left: int, right: int) -> int:
        """Add both counts."""
        return left + right

    def result(self, state: int) -> int:
        """Return the count."""
        return state
