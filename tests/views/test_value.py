import math
from typing import Any

import pytest

from pulsebot.views.value import fit, rank


def _nested(depth: int) -> Any:
    return [_nested(depth - 1)] if depth else 1


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (2**63 - 1, 2**63 - 1),
        (2**63, 2.0**63),
        (10**400, None),
        (math.inf, None),
        (math.nan, None),
        ({"a": [1, 2**70, True, "x", None]}, {"a": [1, 2.0**70, True, "x", None]}),
        (b"bytes", None),
    ],
)
def test_what_a_database_cannot_hold_is_made_fit(value: Any, kept: Any) -> None:
    """A huge number becomes a double or NULL, wherever it stands; what is no value is NULL."""
    assert fit(value) == kept


def test_what_is_nested_too_deeply_is_cut() -> None:
    """No depth of an event's JSON exhausts the stack."""
    shown = fit(_nested(200))
    for _ in range(32):
        [shown] = shown
    assert shown is None


def test_values_of_any_types_have_an_order() -> None:
    """Truths, numbers, texts, then lists and maps; equal numbers of two types do not tie."""
    values: list[Any] = [{"a": 1}, "b", 1.0, True, [1], "a", 1, -2, False]
    assert sorted(values, key=rank) == [False, True, -2, 1, 1.0, "a", "b", [1], {"a": 1}]
    assert repr(sorted([1.0, 1], key=rank)) == "[1, 1.0]"
