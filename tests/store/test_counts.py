import sqlite3
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pulsebot.store import counts
from pulsebot.store.database import Connection, migrate
from pulsebot.window import MINUTE_MS, QUARTER_MS

HOUR = 60


def test_counts_add_up(connection: Connection) -> None:
    """Adding to a bucket twice sums; neighbours and other services are not touched."""
    counts.add(connection, {("trigger", "a", 0): 2, ("trigger", "b", 0): 5})
    counts.add(connection, {("trigger", "a", 0): 3, ("trigger", "a", MINUTE_MS): 1})
    assert counts.total(connection, "trigger", "a", 0, MINUTE_MS) == 5
    assert counts.by_service(connection, "trigger", 0, 2 * MINUTE_MS) == {"a": 6, "b": 5}
    assert counts.series(connection, "trigger", "a", 0, HOUR * MINUTE_MS) == [
        (0, 5),
        (MINUTE_MS, 1),
    ]


@given(
    st.dictionaries(st.integers(0, 4 * HOUR), st.integers(1, 9)),
    st.integers(0, 16),
    st.integers(1, 7),
)
def test_rolling_up_keeps_every_quarter_hour(
    minutes: dict[int, int], before_quarter: int, step: int
) -> None:
    """Whatever is rolled up, in whatever steps, the sum of each quarter of an hour stays."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, Path(":memory:"))
    counts.add(connection, {("crash", "a", m * MINUTE_MS): n for m, n in minutes.items()})
    while counts.roll_up(connection, "crash", before_quarter * QUARTER_MS, step):
        pass
    for quarter in range(17):
        expected = sum(n for m, n in minutes.items() if m // 15 == quarter)
        start = quarter * QUARTER_MS
        assert counts.total(connection, "crash", "a", start, start + QUARTER_MS) == expected
    left = connection.execute("SELECT min(start_ms) FROM count_1m").fetchone()[0]
    assert left is None or left >= before_quarter * QUARTER_MS
    connection.close()


def test_late_count_after_roll_up_is_not_lost(connection: Connection) -> None:
    """An event for a minute that was rolled up already counts as well."""
    counts.add(connection, {("trigger", "a", 0): 1})
    counts.roll_up(connection, "trigger", QUARTER_MS, 100)
    counts.add(connection, {("trigger", "a", 0): 1})
    assert counts.total(connection, "trigger", "a", 0, QUARTER_MS) == 2
    counts.roll_up(connection, "trigger", QUARTER_MS, 100)
    assert counts.total(connection, "trigger", "a", 0, QUARTER_MS) == 2
