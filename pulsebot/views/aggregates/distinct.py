"""COUNT_DISTINCT: how many different values; exact up to a bound, estimated after that.

The state keeps the smallest hashes of the values (k minimum values; Bar-Yossef et al., 2002).
Up to K different values it holds them all and the count is exact; then the K-th smallest
tells how densely hashes lie, with a standard error of 1/√(K−2), about 3 %. It is the same for
any order, and two states merge without loss.
"""

from bisect import insort
from hashlib import blake2b
from typing import ClassVar

import msgspec

from pulsebot.views.aggregates.base import Order, Value

K = 1024
_SPACE = 2**63
_canonical = msgspec.json.Encoder(order="deterministic")


def hashed(value: Value) -> int:
    """Return 63 bits that stand for a value; equal numbers of different types are one."""
    number = isinstance(value, float) and value.is_integer()
    plain = _canonical.encode(int(value) if number else value)
    return int.from_bytes(blake2b(plain, digest_size=8).digest()) % _SPACE


class CountDistinct:
    """Counts different values."""

    ordered: ClassVar[bool] = False
    weighed: ClassVar[bool] = False

    def start(self) -> list[int]:
        """Return no hashes."""
        return []

    def add(self, state: list[int], value: Value, times: int, order: Order) -> list[int]:  # noqa: ARG002 - the contract
        """Keep the value's hash if it is among the smallest."""
        number = hashed(value)
        if len(state) >= K and number >= state[-1]:
            return state
        if number not in state:
            insort(state, number)
            del state[K:]
        return state

    def merge(self, left: list[int], right: list[int]) -> list[int]:
        """Keep the smallest hashes of both."""
        return sorted({*left, *right})[:K]

    def result(self, state: list[int]) -> int:
        """Return the count, or its estimate."""
        if len(state) < K:
            return len(state)
        return round((K - 1) * _SPACE / state[-1])
