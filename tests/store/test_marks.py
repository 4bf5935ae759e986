import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsebot.store import marks
from pulsebot.store.database import Connection, transaction
from pulsebot.store.marks import MAX_RANGES, Marks, Ranges


@given(st.lists(st.integers(0, 60)))
def test_ranges_agree_with_a_set(numbers: list[int]) -> None:
    """A number is new exactly when a plain set would say so, and the ranges are that set."""
    ranges, oracle = Ranges(), set[int]()
    for number in numbers:
        assert ranges.add(number) == (number not in oracle)
        oracle.add(number)
    covered = [n for start, end in ranges.pairs() for n in range(start, end + 1)]
    assert covered == sorted(oracle)


@given(st.lists(st.integers(0, 60)))
def test_ranges_neither_touch_nor_overlap(numbers: list[int]) -> None:
    """The ranges stay as few as they can be."""
    ranges = Ranges()
    for number in numbers:
        ranges.add(number)
    pairs = ranges.pairs()
    assert all(a[1] + 1 < b[0] for a, b in itertools.pairwise(pairs))


BATCHES = st.lists(st.lists(st.integers(0, 60), min_size=1, max_size=20))


@given(BATCHES, st.sampled_from([3, MAX_RANGES]))
def test_adding_many_at_once_is_adding_them_one_by_one(batches: list[list[int]], most: int) -> None:
    """Runs, holes, repetitions, and a set that forgets: it is all the same as one by one."""
    whole, single = Ranges(), Ranges()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(marks, "MAX_RANGES", most)
        for numbers in batches:
            expected = [i for i, number in enumerate(numbers) if not single.add(number)]
            assert whole.add_all(numbers) == expected
            assert whole.pairs() == single.pairs()


def test_ranges_are_bounded() -> None:
    """Past the limit the oldest range is forgotten, and only that."""
    ranges = Ranges()
    for number in range(0, 2 * MAX_RANGES + 2, 2):
        assert ranges.add(number)
    assert len(ranges.pairs()) == MAX_RANGES
    assert not ranges.add(2)


def test_marks_survive_a_restart(connection: Connection) -> None:
    """What one process marked is known to the next."""
    first = Marks()
    assert first.add({"p": [7]}) == {}
    with transaction(connection):
        first.save(connection, 1)
    second = Marks()
    second.load(connection)
    assert second.add({"p": [6, 7, 8], "q": [7]}) == {"p": [1]}


def test_identities_are_known_once_added(connection: Connection) -> None:
    """Only the marked identities are known, across more than one chunk of a query."""
    some = [marks.identity("svc", str(i)) for i in range(1200)]
    marks.add(connection, some[:700], 1)
    assert marks.known(connection, some) == set(some[:700])


def test_identity_separates_source_and_id() -> None:
    """Moving a letter from the source to the id makes another identity."""
    assert marks.identity("ab", "c") != marks.identity("a", "bc")
