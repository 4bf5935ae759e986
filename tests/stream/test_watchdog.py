"""The watchdog over a Kafka consumer, with a clock that the test moves."""

from pulsebot.stream.base import Partition
from pulsebot.stream.kafka.watchdog import Watchdog

A, B = Partition("t", 0), Partition("t", 1)


def test_a_partition_that_stands_still_with_records_to_read_is_stuck() -> None:
    """Only after the whole patience, and only that partition."""
    watchdog = Watchdog(10)
    assert watchdog.stuck(0, {A: 5, B: 5}, {A: 9, B: 5}) == []
    assert watchdog.stuck(9.9, {A: 5, B: 5}, {A: 9, B: 5}) == []
    assert watchdog.stuck(10, {A: 5, B: 5}, {A: 9, B: 5}) == [A]


def test_progress_starts_the_patience_again() -> None:
    """A slow partition is not a stuck one."""
    watchdog = Watchdog(10)
    for now in range(0, 60, 6):
        assert watchdog.stuck(now, {A: now}, {A: 99}) == []


def test_a_partition_without_records_to_read_is_never_stuck() -> None:
    """A quiet topic may stand still for ever; the patience begins with the first record."""
    watchdog = Watchdog(10)
    assert watchdog.stuck(0, {A: 5}, {A: 5}) == []
    assert watchdog.stuck(100, {A: 5}, {A: 6}) == []
    assert watchdog.stuck(110, {A: 5}, {A: 6}) == [A]


def test_unknown_ends_count_as_records_to_read() -> None:
    """When nobody can tell the ends, standing still is suspect."""
    watchdog = Watchdog(10)
    assert watchdog.stuck(0, {A: 5}, None) == []
    assert watchdog.stuck(10, {A: 5}, None) == [A]


def test_a_reset_forgets() -> None:
    """A time in which nobody read does not count."""
    watchdog = Watchdog(10)
    assert watchdog.stuck(0, {A: 5}, {A: 9}) == []
    watchdog.reset()
    assert watchdog.stuck(15, {A: 5}, {A: 9}) == []
