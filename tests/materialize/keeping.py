"""A database in which views are live from the start, and what they show."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pulsebot.materialize.definitions import query_of
from pulsebot.materialize.keeper import shape_of
from pulsebot.store import viewcatalog, viewtables
from pulsebot.store.database import transaction
from pulsebot.store.viewcatalog import Draft
from pulsebot.views.planner import table_plan
from pulsebot.views.source import BUILT_IN
from pulsebot.window import DAY_MS
from tests.fakes.world import World, world


@contextmanager
def keeping(path: Path, *selects: str, zone: str = "UTC", max_keys: int = 100) -> Iterator[World]:
    """Give a world with the views V0, V1, …, each kept for 400 days."""
    with world(path) as made:
        with transaction(made.connection):
            for number, select in enumerate(selects):
                statement = f"CREATE TABLE V{number} AS {select}"
                draft = Draft(f"V{number}", "TABLE", statement, zone, max_keys, 400 * DAY_MS, 0)
                entry = viewcatalog.add(made.connection, draft, "live")
                plan = table_plan(query_of(statement), BUILT_IN, ZoneInfo(zone))
                viewtables.create(made.connection, shape_of(entry, plan))
                viewtables.show(made.connection, shape_of(entry, plan))
        made.intake.load(made.connection)
        yield made


def shown(made: World, number: int = 0, columns: str = "*") -> Sequence[tuple[Any, ...]]:
    """Return what a view shows, sorted."""
    return sorted(
        made.connection.execute(f"SELECT {columns} FROM V{number}").fetchall(),  # noqa: S608 - our own names
        key=repr,
    )
