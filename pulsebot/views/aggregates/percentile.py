"""PERCENTILE: a value that a share of the values does not exceed, within 1 %.

By DDSketch (Masson, Rim, Lee: A Fast and Fully-Mergeable Quantile Sketch, VLDB 2019): counts
in buckets whose bounds grow by a constant factor, so the result is the same for any order and
two sketches merge without loss. The library keeps the buckets; our state is plain numbers.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from ddsketch.mapping import LogarithmicMapping

from pulsebot.views.aggregates.base import Order, Value

ACCURACY = 0.01
"""Relative error at the most."""

_mapping = LogarithmicMapping(ACCURACY)
_TINY = 1e-9

Buckets = dict[int, int]


class Percentile:
    """A percentile of numbers; 0.5 is the median."""

    ordered: ClassVar[bool] = False
    weighed: ClassVar[bool] = True

    def __init__(self, constants: Sequence[Any]) -> None:
        [share] = constants
        number = isinstance(share, int | float) and not isinstance(share, bool)
        if not number or not 0 <= share <= 1:
            raise ValueError("needs a share from 0 to 1, such as 0.99")
        self._share = float(share)

    def start(self) -> list[list[Any]]:
        """Return no buckets: of negative numbers, of zero, of positive ones."""
        return [[], [[0, 0]], []]

    def add(
        self,
        state: list[list[Any]],
        value: Value,
        times: int,
        order: Order,  # noqa: ARG002 - the contract
    ) -> list[list[Any]]:
        """Count a number in its bucket."""
        if not isinstance(value, int | float):
            return state
        if abs(value) < _TINY:
            return self.merge(state, [[], [[0, times]], []])
        counted = [[_mapping.key(abs(value)), times]]
        return self.merge(state, [counted, [], []] if value < 0 else [[], [], counted])

    def merge(self, left: list[list[Any]], right: list[list[Any]]) -> list[list[Any]]:
        """Add the counts of equal buckets."""
        return [_added(mine, other) for mine, other in zip(left, right, strict=True)]

    def result(self, state: list[list[Any]]) -> float | None:
        """Return the value, NULL where there were no numbers."""
        negative, zero, positive = state
        ranked = [(-_mapping.value(key), count) for key, count in reversed(negative)]
        ranked += [(0.0, count) for _, count in zero]
        ranked += [(_mapping.value(key), count) for key, count in positive]
        total = sum(count for _, count in ranked)
        if not total:
            return None
        wanted, seen = self._share * (total - 1), 0
        for value, count in ranked:
            seen += count
            if seen > wanted:
                return float(value)
        return float(ranked[-1][0])


class _Fixed(Percentile):
    share: ClassVar[float]

    def __init__(self) -> None:
        super().__init__([self.share])


class P50(_Fixed):
    """The median."""

    share: ClassVar[float] = 0.5


class P95(_Fixed):
    """The 95th percentile."""

    share: ClassVar[float] = 0.95


class P99(_Fixed):
    """The 99th percentile."""

    share: ClassVar[float] = 0.99


def _added(left: list[list[int]], right: list[list[int]]) -> list[list[int]]:
    counts = {key: count for key, count in left}  # noqa: C416 - a list of lists
    for key, count in right:
        counts[key] = counts.get(key, 0) + count
    return [[key, counts[key]] for key in sorted(counts)]
