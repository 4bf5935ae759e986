import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsebot.publish.base import Change, Column, Layout, Spot
from pulsebot.publish.cells import moment, row_id, row_of
from pulsebot.publish.names import LONGEST, columns, folded
from pulsebot.views.datatype import Type


def cell(kind: Type, value: Any) -> Any:
    """Return what becomes of a value in a column of a type."""
    layout = Layout("V", 1, (Column("A", kind),), windowed=False)
    _, gone, made = row_of(layout)(Change(Spot(1, "[]", 0), 0, [value]))
    assert gone is False
    return made


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (Type.BIGINT, 2**63 - 1, 2**63 - 1),
        (Type.BIGINT, 2**63, None),
        (Type.BIGINT, "a word", None),
        (Type.DOUBLE, 2.5, 2.5),
        (Type.DOUBLE, "a word", None),
        (Type.BOOLEAN, 0, False),
        (Type.STRING, "a\x00b", "a\ufffdb"),
        (Type.ANY, 5, "5"),
        (Type.JSON, "bare", "bare"),
        (Type.ARRAY, '["a",1]', '["a",1]'),
        (Type.ARRAY, "bare", '"bare"'),
        (Type.MAP, '{"k\\u0000":["\\u0000"]}', '{"k\ufffd":["\ufffd"]}'),
        (Type.MAP, r'{"k":"\\u0000"}', r'{"k":"\\u0000"}'),
        (Type.STRING, None, None),
    ],
)
def test_every_value_has_a_place(kind: Type, value: Any, expected: Any) -> None:
    """What a column cannot hold becomes what comes nearest, or NULL."""
    assert cell(kind, value) == expected


def test_no_number_is_infinite_by_accident() -> None:
    """A double may be infinite or no number in PostgreSQL as well."""
    assert cell(Type.DOUBLE, math.inf) == math.inf
    assert math.isnan(cell(Type.DOUBLE, math.nan))


@given(st.text() | st.integers() | st.floats())
def test_json_is_always_json(value: Any) -> None:
    """Whatever a column of lists holds, PostgreSQL is given valid JSON without NUL."""
    made = cell(Type.ARRAY, value)
    msgspec.json.decode(made)
    assert "\x00" not in made


def test_a_row_is_known_by_key_and_window() -> None:
    """Two rows of a view have the same id exactly if both are the same."""
    ids = {row_id(key, start) for key in ('["a"]', '["a",1]', "[null]") for start in (0, 1, -1)}
    assert len(ids) == 9
    assert row_id('["a"]', 1) == row_id('["a"]', 1)


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "1970-01-01T00:00:00+00:00"),
        (1_795_132_800_123, "2026-11-20T00:00:00.123000+00:00"),
        (10**17, "infinity"),
        (-(10**17), "-infinity"),
    ],
)
def test_moments_beyond_the_calendar_are_infinite(ms: int, text: str) -> None:
    """Any time that an event of some other system says can be written."""
    assert moment(ms) == text


def test_a_row_that_is_gone_has_no_values() -> None:
    """Only its id says which one it was."""
    layout = Layout("V", 1, (Column("A", Type.STRING),), windowed=True)
    change = Change(Spot(1, "[]", 0), 0, None)
    assert row_of(layout)(change) == (row_id("[]", 0), True, None, None, None)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("TRIGGER_PER_DAY", "trigger_per_day"), ("MixedCase", "MixedCase"), ("ÄRGER 1", "ärger 1")],
)
def test_names_fold_as_postgres_folds_them(name: str, expected: str) -> None:
    """What our SQL writes without quotes is found there without quotes."""
    assert folded(name) == expected


@given(st.lists(st.text(min_size=1), max_size=8))
def test_columns_have_names_of_their_own(names: list[str]) -> None:
    """However long, odd or alike: each is another, and none is too long or taken."""
    found = columns([*names, "A" * 70, "A" * 71, "XMIN", "_row"])
    assert len(set(found)) == len(found)
    assert all(0 < len(name.encode()) <= LONGEST for name in found)
    assert {"xmin", "_row"}.isdisjoint(found)
