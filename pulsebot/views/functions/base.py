"""The contract of a scalar function: pure, quick for any argument, and never a row's end.

What a function cannot do with a value makes NULL. So a function may raise whatever Python
raises; only what it says about constants, when a statement is checked, is told to people.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pulsebot.views.datatype import Type, common, fits
from pulsebot.views.value import fit

Value = Any
Check = Callable[[Any], object]
"""Raises ValueError, in words, for a constant that can never be an argument."""


@dataclass(frozen=True, slots=True)
class Function:
    """A scalar function.

    `parameters` are the types of its arguments; the last `optional` of them may be missing,
    and with `endless` the last one may be repeated. Without a `gives` the result has the
    arguments' common type. A `strict` function gives NULL for NULL without being called.
    `checks` are by the place of an argument.
    """

    call: Callable[..., Value]
    parameters: tuple[Type, ...]
    gives: Type | None
    optional: int = 0
    endless: bool = False
    strict: bool = True
    checks: Mapping[int, Check] = field(default_factory=dict)

    def of(self, arguments: Sequence[Value]) -> Value:
        """Return the result; NULL where there is none. Never raises."""
        if self.strict and None in arguments:
            return None
        try:
            return fit(self.call(*arguments))
        except Exception:  # noqa: BLE001 - no value of an event may stop the view, whatever it does
            return None

    def fault(self, given: Sequence[Type]) -> str | None:
        """Say what is wrong with arguments of these types, if anything."""
        least, most = len(self.parameters) - self.optional, len(self.parameters)
        if len(given) < least or (len(given) > most and not self.endless):
            count = str(most) if least == most else f"{least} to {most}"
            return (
                f"takes {f'{least} or more' if self.endless else count} arguments, not {len(given)}"
            )
        wanted = (*self.parameters, *self.parameters[-1:] * len(given))
        for number, (kind, want) in enumerate(zip(given, wanted, strict=False), 1):
            if not fits(kind, want):
                return f"argument {number} must be a {want}, not a {kind}"
        if self.gives is None and common(list(given)) is None:
            return "its arguments must have one type"
        return None

    def result(self, given: Sequence[Type]) -> Type:
        """Return the type of the result for arguments of these types."""
        return self.gives or common(list(given)) or Type.ANY

    def __str__(self) -> str:
        """Say what it takes and gives: `(STRING, BIGINT, [BIGINT]) → STRING`."""
        needed = len(self.parameters) - self.optional
        taken = [f"[{p}]" if i >= needed else str(p) for i, p in enumerate(self.parameters)]
        taken += ["…"] * self.endless
        return f"({', '.join(taken)}) → {self.gives or 'the same'}"
