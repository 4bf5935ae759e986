"""A database in which views are live from the start, and what they show."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pulsebot.materialize.definitions import definitions
from pulsebot.materialize.keeper import shape_of
from pulsebot.store import viewcatalog, viewtables
from pulsebot.store.database import transaction
from pulsebot.store.viewcatalog import Draft, Kind
from pulsebot.window import DAY_MS
from tests.fakes.world import World, world


@contextmanager
def keeping(
    path: Path, *selects: str, zone: str = "UTC", max_keys: int = 100, streams: Sequence[str] = ()
) -> Iterator[World]:
    """Give a world with the views V0, V1, …, each kept for 400 days, over streams S0, S1, …."""
    kinds: list[tuple[str, Kind, str]] = [
        *((f"S{number}", "STREAM", select) for number, select in enumerate(streams)),
        *((f"V{number}", "TABLE", select) for number, select in enumerate(selects)),
    ]
    with world(path) as made:
        with transaction(made.connection):
            for name, kind, select in kinds:
                statement = f"CREATE {kind} {name} AS {select}"
                draft = Draft(name, kind, statement, zone, max_keys, 400 * DAY_MS, 0)
                entry = viewcatalog.add(made.connection, draft, "live")
                known = definitions(viewcatalog.entries(made.connection))
                assert not known.broken
                if kind == "TABLE":
                    shape = shape_of(entry, known.plans[entry.id])
                    viewtables.create(made.connection, shape)
                    viewtables.show(made.connection, shape)
        made.intake.load(made.connection)
        yield made


def shown(made: World, number: int = 0, columns: str = "*") -> Sequence[tuple[Any, ...]]:
    """Return what a view shows, sorted."""
    return sorted(
        made.connection.execute(f"SELECT {columns} FROM V{number}").fetchall(),  # noqa: S608 - our own names
        key=repr,
    )
