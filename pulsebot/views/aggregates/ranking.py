"""TOPK, TOPKDISTINCT, COLLECT_SET: the greatest values, with and without repetition."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, ClassVar

from pulsebot.views.aggregates.base import Order, State, Value, constant
from pulsebot.views.value import rank

MAX_K = 100
MAX_SET = 1_000
"""Values of a COLLECT_SET; the smallest are kept."""


class TopK:
    """The k greatest values, greatest first; equal ones are told as often as they came."""

    ordered: ClassVar[bool] = False
    weighed: ClassVar[bool] = True

    def __init__(self, constants: Sequence[Any]) -> None:
        self._k = constant(constants, MAX_K)

    def start(self) -> list[Value]:
        """Return none."""
        return []

    def add(self, state: list[Value], value: Value, times: int, order: Order) -> list[Value]:  # noqa: ARG002 - the contract
        """Take a value in."""
        return self.merge(state, [value] * min(times, self._k))

    def merge(self, left: list[Value], right: list[Value]) -> list[Value]:
        """Return the greatest of both."""
        return sorted([*left, *right], key=rank, reverse=True)[: self._k]

    def result(self, state: list[Value]) -> list[Value]:
        """Return the values."""
        return state


class TopKDistinct(TopK):
    """The k greatest different values, greatest first."""

    weighed: ClassVar[bool] = False

    def merge(self, left: list[Value], right: list[Value]) -> list[Value]:
        """Return the greatest of both."""
        return _different([*left, *right])[::-1][: self._k]


class CollectSet:
    """The different values, smallest first."""

    ordered: ClassVar[bool] = False
    weighed: ClassVar[bool] = False

    def start(self) -> State:
        """Return none."""
        return []

    def add(self, state: list[Value], value: Value, times: int, order: Order) -> list[Value]:  # noqa: ARG002 - the contract
        """Take a value in."""
        return self.merge(state, [value])

    def merge(self, left: list[Value], right: list[Value]) -> list[Value]:
        """Return the smallest of both."""
        return _different([*left, *right])[:MAX_SET]

    def result(self, state: list[Value]) -> list[Value]:
        """Return the values."""
        return state


def _different(values: list[Value]) -> list[Value]:
    """Return different values, smallest first; of equal numbers the one that `rank` puts first."""
    ranked = sorted(values, key=rank)
    return [next(equal) for _, equal in groupby(ranked, key=lambda value: rank(value)[:2])]
