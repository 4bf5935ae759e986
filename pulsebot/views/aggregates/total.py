"""SUM and AVG: exact for whole numbers; for others the exact sum is rounded only once.

A sum of floating point numbers depends on their order unless nothing is lost on the way, so
the state keeps what rounding would lose (Shewchuk, Adaptive Precision Floating-Point
Arithmetic, 1997; as math.fsum does). Partial sums are few.
"""

import math
from fractions import Fraction
from typing import Any, ClassVar

from pulsebot.views.aggregates.base import Order, Value
from pulsebot.views.value import bounded

Sums = list[Any]
"""How many values, the sum of the whole numbers, and the partial sums of the others."""


def _grown(partials: list[float], number: float) -> list[float]:
    """Return partial sums, smallest first, that add up exactly to those given and a number."""
    grown = []
    for partial in partials:
        big, small = (number, partial) if abs(number) >= abs(partial) else (partial, number)
        number = big + small
        if lost := small - (number - big):
            grown.append(lost)
    grown.append(number)
    return grown


def _product(value: float, times: int) -> tuple[float, float]:
    """Return two numbers that add up exactly to a product, which one could not hold."""
    exact = Fraction(value) * times
    high = float(exact)
    return high, float(exact - Fraction(high))


class Total:
    """The sum; no rows with a value give NULL."""

    ordered: ClassVar[bool] = False
    weighed: ClassVar[bool] = True

    def start(self) -> Sums:
        """Return an empty sum."""
        return [0, 0, []]

    def add(self, state: Sums, value: Value, times: int, order: Order) -> Sums:  # noqa: ARG002 - the contract
        """Add a number as often as it counts; what is no number is left out."""
        if isinstance(value, int):
            state[1] += value * times
        elif isinstance(value, float) and math.isfinite(value * times):
            for part in [value] if times == 1 else _product(value, times):
                state[2] = _grown(state[2], part)
        else:
            return state
        state[0] += times
        return state

    def merge(self, left: Sums, right: Sums) -> Sums:
        """Add both sums."""
        partials = left[2]
        for partial in right[2]:
            partials = _grown(partials, partial)
        return [left[0] + right[0], left[1] + right[1], partials]

    def result(self, state: Sums) -> int | float | None:
        """Return the sum, whole as long as all its parts are."""
        count, whole, partials = state
        if not count:
            return None
        return bounded(math.fsum([whole, *partials]) if partials else whole)


class Average(Total):
    """The mean; no rows with a value give NULL."""

    def result(self, state: Sums) -> float | None:
        """Return the sum divided by the count."""
        total = super().result(state)
        return None if total is None else total / state[0]
