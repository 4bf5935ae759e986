from collections.abc import Iterator
from pathlib import Path

import pytest

from pulsebot.store import viewchanges
from pulsebot.store.database import Connection, connect, migrate
from pulsebot.store.viewchanges import Spot


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    """Give a database in which ten rows of one view and one of another were removed."""
    made = connect(tmp_path / "a.db")
    migrate(made, tmp_path / "a.db")
    made.executemany(
        "INSERT INTO sql_view_removed VALUES (?, ?, 0, ?)",
        [*((1, f'["{n}"]', n) for n in range(1, 11)), (2, '["x"]', 1)],
    )
    yield made
    made.close()


def test_removed_rows_are_forgotten_but_for_the_last(connection: Connection) -> None:
    """Of each view so many are kept; what is asked from before that cannot be told any longer."""
    assert viewchanges.complete_since(connection, 1, keep=10) == 0
    viewchanges.forget_removed(connection, keep=3)
    kept = viewchanges.removed(connection, 1, Spot(0), 99, 99)
    assert [spot.revision for spot in kept] == [7, 8, 9, 10]
    assert viewchanges.complete_since(connection, 1, keep=3) == 7
    assert viewchanges.complete_since(connection, 2, keep=3) == 0
    viewchanges.forget_removed(connection, keep=3)
    assert len(viewchanges.removed(connection, 1, Spot(0), 99, 99)) == 4


def test_removed_rows_are_told_page_by_page(connection: Connection) -> None:
    """From a spot on, up to a revision, no more than asked for."""
    first = viewchanges.removed(connection, 1, Spot(3), 9, 4)
    assert [spot.revision for spot in first] == [3, 4, 5, 6]
    rest = viewchanges.removed(connection, 1, first[-1], 9, 4)
    assert [spot.revision for spot in rest] == [7, 8, 9]
