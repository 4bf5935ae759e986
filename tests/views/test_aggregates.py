import math
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulsebot.views.aggregates.base import Aggregate, Order
from pulsebot.views.aggregates.distinct import CountDistinct, K
from pulsebot.views.aggregates.table import AGGREGATES

Row = tuple[Any, int, Order]

NUMBERS = st.one_of(
    st.integers(-(10**12), 10**12), st.floats(-1e12, 1e12, allow_nan=False).map(lambda x: x + 0.0)
)
TEXTS = st.text(max_size=4)


def make(name: str) -> Aggregate:
    """Return an aggregate of this name."""
    constants = {"PERCENTILE": [0.9], "TOPK": [3], "TOPKDISTINCT": [3]}
    made: Aggregate = AGGREGATES[name].make(*([constants[name]] if name in constants else []))
    return made


def rows(values: Sequence[Any], times: Sequence[int]) -> list[Row]:
    """Place values in a log of two partitions, as often as told."""
    return [
        (value, count, (i // 4, i % 4 // 2, i))
        for i, (value, count) in enumerate(zip(values, times, strict=False))
    ]


def state_of(aggregate: Aggregate, batch: Sequence[Row]) -> Any:
    """Aggregate a batch, and send the state through the form in which it is kept."""
    state = aggregate.start()
    for value, times, order in batch:
        state = aggregate.add(state, value, times if aggregate.weighed else 1, order)
    return msgspec.msgpack.decode(msgspec.msgpack.encode(state))


ORACLES: dict[str, Callable[[list[Any], list[int]], Any]] = {
    "AVG": lambda v, t: float(_sum(v, t) / sum(t)),
    "COLLECT_LIST": lambda v, _t: v,
    "COUNT": lambda _v, t: sum(t),
    "COUNT_DISTINCT": lambda v, _t: len(set(v)),
    "EARLIEST_BY_OFFSET": lambda v, _t: v[0],
    "LATEST_BY_OFFSET": lambda v, _t: v[-1],
    "MAX": lambda v, _t: max(v),
    "MIN": lambda v, _t: min(v),
    "SUM": lambda v, t: float(_sum(v, t)),
    "TOPK": lambda v, t: sorted(Counter(_repeated(v, t)).elements(), reverse=True)[:3],
    "TOPKDISTINCT": lambda v, _t: sorted(set(v), reverse=True)[:3],
    "COLLECT_SET": lambda v, _t: sorted(set(v)),
}
"""What plain Python says."""


def _sum(values: list[Any], times: list[int]) -> Fraction:
    return sum((Fraction(v) * t for v, t in zip(values, times, strict=True)), Fraction())


def _repeated(values: list[Any], times: list[int]) -> list[Any]:
    return [v for v, t in zip(values, times, strict=True) for _ in range(t)]


@pytest.mark.parametrize("name", sorted(AGGREGATES))
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_order_and_batches_do_not_matter(name: str, data: st.DataObject) -> None:
    """Any order, any split into batches that are kept and merged: the same result."""
    aggregate = make(name)
    values = data.draw(st.lists(NUMBERS, min_size=1, max_size=30))
    times = data.draw(st.lists(st.integers(1, 5), min_size=len(values), max_size=len(values)))
    batch = rows(values, times)
    expected = aggregate.result(state_of(aggregate, batch))
    shuffled = data.draw(st.permutations(batch))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(batch)), max_size=3)))
    merged = aggregate.start()
    for start, end in zip([0, *cuts], [*cuts, len(batch)], strict=True):
        merged = aggregate.merge(merged, state_of(aggregate, shuffled[start:end]))
    assert aggregate.result(merged) == expected


MIXED: list[Any] = [True, 1, 1.0, "1", -0.0, 0, 0.0, False, [1], {"a": 1, "b": 2}, {"b": 2, "a": 1}]


@pytest.mark.parametrize(
    "name", ["COLLECT_SET", "COUNT_DISTINCT", "MAX", "MIN", "SUM", "TOPK", "TOPKDISTINCT"]
)
@settings(max_examples=25, deadline=None)
@given(values=st.permutations(MIXED), cut=st.integers(0, len(MIXED)), kept=st.integers(1, 11))
def test_whatever_json_holds_has_one_order(
    name: str, values: list[Any], cut: int, kept: int
) -> None:
    """Truths, equal numbers of two types and maps tie nowhere: the first to come does not win."""
    aggregate, batch = make(name), rows([v for v in values if v in MIXED[:kept]], [1] * 11)
    both = aggregate.merge(state_of(aggregate, batch[:cut]), state_of(aggregate, batch[cut:]))
    straight = state_of(aggregate, sorted(batch, key=lambda row: repr(row[0])))
    found, expected = (repr(aggregate.result(state)) for state in (both, straight))
    assert found.replace("'b': 2, 'a': 1", "'a': 1, 'b': 2") == expected.replace(
        "'b': 2, 'a': 1", "'a': 1, 'b': 2"
    )


@pytest.mark.parametrize("name", sorted(ORACLES))
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_results_are_those_of_plain_python(name: str, data: st.DataObject) -> None:
    """Exact sums of floating point numbers, repetitions weighed, the log's order kept."""
    aggregate = make(name)
    values = data.draw(st.lists(NUMBERS, min_size=1, max_size=30))
    times = data.draw(st.lists(st.integers(1, 5), min_size=len(values), max_size=len(values)))
    found = aggregate.result(state_of(aggregate, rows(values, times)))
    expected = ORACLES[name](values, times)
    if name == "AVG":
        assert found == pytest.approx(expected, rel=1e-15)
    else:
        assert found == expected


@settings(max_examples=25, deadline=None)
@given(values=st.lists(st.floats(0.001, 1e9), min_size=1, max_size=50))
def test_percentiles_are_within_one_percent(values: list[float]) -> None:
    """The value at the rank, with the accuracy that the sketch promises."""
    aggregate = make("PERCENTILE")
    found = aggregate.result(state_of(aggregate, rows(values, [1] * len(values))))
    exact = sorted(values)[math.floor(0.9 * (len(values) - 1))]
    assert found == pytest.approx(exact, rel=0.0101)


def test_many_different_values_are_estimated() -> None:
    """Beyond the bound the count is near the truth, and the state no larger."""
    aggregate, count = CountDistinct(), 20_000
    state = aggregate.start()
    for number in range(count):
        state = aggregate.add(state, f"value-{number}", 1, (0, 0, 0))
    assert len(state) == K
    assert aggregate.result(state) == pytest.approx(count, rel=0.1)


@pytest.mark.parametrize("name", sorted(AGGREGATES))
def test_no_rows_have_a_result(name: str) -> None:
    """An empty state is nothing, zero, or an empty list; it never fails."""
    aggregate = make(name)
    assert aggregate.result(aggregate.start()) in (None, 0, [])


@settings(max_examples=30, deadline=None)
@given(values=st.lists(st.one_of(TEXTS, st.booleans(), NUMBERS), min_size=1, max_size=12))
def test_values_of_mixed_types_have_an_order(values: list[Any]) -> None:
    """What came out of JSON may be anything: rankings do not fail on it, nor depend on order."""
    for name in ("TOPK", "TOPKDISTINCT", "COLLECT_SET", "COUNT_DISTINCT"):
        aggregate = make(name)
        there = aggregate.result(state_of(aggregate, rows(values, [1] * len(values))))
        back = aggregate.result(state_of(aggregate, rows(values[::-1], [1] * len(values))))
        assert there == back
