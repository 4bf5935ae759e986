from collections.abc import Iterator
from pathlib import Path

import pytest

from pulsebot.store import viewcatalog, viewchanges
from pulsebot.store.database import Connection, connect, migrate
from pulsebot.store.viewcatalog import Draft
from pulsebot.store.viewchanges import Spot


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    """Give a database in which ten rows of one view, one of another, none of a third went."""
    made = connect(tmp_path / "a.db")
    migrate(made, tmp_path / "a.db")
    for name in ("A", "B", "C"):
        viewcatalog.add(made, Draft(name, "TABLE", "", "UTC", 1, 1, 0), "live")
    made.executemany(
        "INSERT INTO sql_view_removed VALUES (?, ?, 0, ?)",
        [*((1, f'["{n}"]', n) for n in range(1, 11)), (2, '["x"]', 1)],
    )
    yield made
    made.close()


def test_removed_rows_are_forgotten_but_for_the_last(connection: Connection) -> None:
    """Of each view so many are kept; who knew less than is left must take all rows anew."""
    assert viewchanges.remembers(connection, 1, 0, keep=10)
    assert viewchanges.forget_removed(connection, keep=3, piece=2)
    assert _revisions(connection) == list(range(3, 11))
    while viewchanges.forget_removed(connection, keep=3, piece=2):
        continue
    assert _revisions(connection) == [7, 8, 9, 10]
    told = [viewchanges.remembers(connection, 1, known, keep=3) for known in (0, 6, 7, 10)]
    assert told == [False, False, True, True]
    assert viewchanges.remembers(connection, 2, 0, keep=3)
    assert viewchanges.remembers(connection, 3, 0, keep=3)


def test_a_revision_is_forgotten_as_a_whole(connection: Connection) -> None:
    """Whoever is within a revision finds the rest of it, or is told that it is gone."""
    connection.execute("UPDATE sql_view_removed SET revision = 5 WHERE revision BETWEEN 3 AND 8")
    viewchanges.forget_removed(connection, keep=4, piece=3)
    assert _revisions(connection) == [5] * 6 + [9, 10]
    viewchanges.forget_removed(connection, keep=1, piece=1)
    assert _revisions(connection) == [9, 10]


def _revisions(connection: Connection) -> list[int]:
    return [spot.revision for spot in viewchanges.removed(connection, 1, Spot(0), 99, 99)]


def test_removed_rows_are_told_page_by_page(connection: Connection) -> None:
    """From a spot on, up to a revision, no more than asked for."""
    first = viewchanges.removed(connection, 1, Spot(3), 9, 4)
    assert [spot.revision for spot in first] == [3, 4, 5, 6]
    rest = viewchanges.removed(connection, 1, first[-1], 9, 4)
    assert [spot.revision for spot in rest] == [7, 8, 9]
