"""MIN and MAX."""

from typing import ClassVar

from pulsebot.views.aggregates.base import Order, State, Value
from pulsebot.views.value import rank

_PLAIN = frozenset({int, float, str})


class Least:
    """The smallest value; NULL where there is none."""

    ordered: ClassVar[bool] = False
    weighed: ClassVar[bool] = False

    def start(self) -> State:
        """Return that there is none."""
        return None

    def add(self, state: State, value: Value, times: int, order: Order) -> State:  # noqa: ARG002 - the contract
        """Take a value in."""
        return self.merge(state, value)

    def merge(self, left: State, right: State) -> State:
        """Return the smaller of both, of any types: whichever came first."""
        if left is None or right is None:
            return right if left is None else left
        return left if self._before(left, right) else right

    def result(self, state: State) -> Value:
        """Return the value."""
        return state

    def _before(self, left: State, right: State) -> bool:
        if type(left) is type(right) in _PLAIN and left != right:  # the usual case, in one step
            return bool(left < right)
        return rank(left) <= rank(right)


class Greatest(Least):
    """The greatest value; NULL where there is none."""

    def _before(self, left: State, right: State) -> bool:
        return not super()._before(left, right)
