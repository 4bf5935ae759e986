"""What was known at a moment, however the statuses arrived and whatever was deleted since."""

from contextlib import closing
from datetime import UTC, datetime
from itertools import permutations
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulsebot.event import State, StatusData, status
from pulsebot.settings import Retention
from pulsebot.store import history, statuses, upkeep
from pulsebot.store.database import Connection, connect, migrate
from pulsebot.store.history import Known, Unknown
from pulsebot.window import DAY_MS

SOME_TIME = datetime(2026, 11, 23, tzinfo=UTC)
STATES = ("up", "down", "degraded")


def tell(connection: Connection, state: str, at_ms: int, instance: str = "i") -> None:
    """Take in a status of svc."""
    data = StatusData(state=State(state), reason=f"{state}!")
    statuses.apply(connection, [(status("svc", SOME_TIME, data, instance=instance), at_ms)])


def known(connection: Connection, at_ms: int) -> list[tuple[str, int | None]]:
    """Return state and beginning of what is known at a moment."""
    return [(k.state, k.since_ms) for k in history.statuses_at(connection, at_ms).known]


@given(st.lists(st.sampled_from(STATES), min_size=1, max_size=12))
@settings(deadline=None, max_examples=40)
def test_a_moment_shows_the_run_that_it_lies_in(told: list[str]) -> None:
    """Heartbeats in order: the state of the last one by then, since the first of its run."""
    with TemporaryDirectory() as folder, closing(connect(Path(folder, "a.db"))) as connection:
        migrate(connection, Path(folder, "a.db"))
        for number, state in enumerate(told, 1):
            tell(connection, state, 10 * number)
        before = history.statuses_at(connection, 9)
        assert (before.known, before.unknown) == ((), (Unknown("svc", "i", 10),))
        for last, state in enumerate(told):
            first = next(n for n in range(last, -1, -1) if n == 0 or told[n - 1] != state)
            assert known(connection, 10 * last + 10) == [(state, 10 * first + 10)]
            assert known(connection, 10 * last + 19) == [(state, 10 * first + 10)]


def test_silence_is_told_from_the_last_heartbeat_on(connection: Connection) -> None:
    """After it nobody vouches for the state; before it the instance was heard of again."""
    tell(connection, "up", 10)
    tell(connection, "up", 20)
    [[earlier], [later]] = [history.statuses_at(connection, at_ms).known for at_ms in (19, 21)]
    assert (earlier.last_heard_ms, later.last_heard_ms) == (None, 20)
    assert later.reason == "up!"


@pytest.mark.parametrize("order", list(permutations([(10, "up"), (20, "down"), (30, "up")])))
def test_the_order_of_arrival_changes_nothing(
    connection: Connection, order: tuple[tuple[int, str], ...]
) -> None:
    """Three statuses tell the same story in whatever order they come, the present included."""
    for at_ms, state in order:
        tell(connection, state, at_ms)
    assert [known(connection, at_ms) for at_ms in (9, 15, 25, 35)] == [
        [], [("up", 10)], [("down", 20)], [("up", 30)],
    ]  # fmt: skip
    assert [(i.state, i.since_ms) for i in statuses.instances(connection)] == [("up", 30)]


def test_a_state_that_began_before_what_is_kept_is_known_without_its_beginning(
    connection: Connection,
) -> None:
    """The change after it tells what it was; before the kept time nobody knows."""
    tell(connection, "up", 5 * DAY_MS)
    tell(connection, "down", 60 * DAY_MS)
    tell(connection, "down", 99 * DAY_MS)
    while upkeep.piece(connection, Retention(statuses=60), 100 * DAY_MS):
        pass
    assert history.kept_since(connection, "status_change") == 40 * DAY_MS
    found = history.statuses_at(connection, 50 * DAY_MS)
    assert found.known == (Known("svc", "i", "up", None, None, None),)
    before = history.statuses_at(connection, 39 * DAY_MS)
    assert (before.known, before.unknown) == ((), (Unknown("svc", "i", None),))
    assert known(connection, 70 * DAY_MS) == [("down", 60 * DAY_MS)]


def test_a_run_longer_than_what_is_kept_is_known_from_its_beginning(
    connection: Connection,
) -> None:
    """An instance that has been up all along needs no change in what is kept."""
    tell(connection, "up", DAY_MS)
    tell(connection, "up", 99 * DAY_MS)
    while upkeep.piece(connection, Retention(statuses=60), 100 * DAY_MS):
        pass
    assert known(connection, 2 * DAY_MS) == [("up", DAY_MS)]


def test_what_nothing_was_deleted_of_is_complete(connection: Connection) -> None:
    """Upkeep that found nothing to delete takes nothing away from what is known."""
    tell(connection, "up", 99 * DAY_MS)
    upkeep.piece(connection, Retention(), 100 * DAY_MS)
    assert history.kept_since(connection, "status_change") is None
