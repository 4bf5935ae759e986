"""Functions of numbers: of any argument they give a number, or NULL where there is none."""

import math


def rounded(number: float, digits: int = 0) -> float:
    """Round; halves go up, as in ksqlDB."""
    if digits == 0:
        return math.floor(number + 0.5)
    return round(number, max(-300, min(digits, 300)))


def sign(number: float) -> int:
    """Return -1, 0 or 1."""
    return (number > 0) - (number < 0)


def logarithm(first: float, second: float | None = None) -> float:
    """Return LOG(x), the natural one, or LOG(base, x)."""
    return math.log(first) if second is None else math.log(second) / math.log(first)
