"""A view as queries see it: its name, columns, and the zone of its days."""

from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo

from pulsebot.civil import zone_of
from pulsebot.materialize.builder import plan_of
from pulsebot.materialize.definitions import query_of
from pulsebot.store import viewcatalog, viewtables
from pulsebot.store.database import Connection
from pulsebot.store.viewcatalog import Entry
from pulsebot.store.viewrows import Seen

BOUNDS = {"WINDOWSTART": "WINDOWSTART_MS", "WINDOWEND": "WINDOWEND_MS"}
"""Columns of a window's readable ends, and those of the same moments in milliseconds."""


@dataclass(frozen=True, slots=True)
class Relation:
    """The version of a view that its name means; `columns` are those that `*` gives."""

    entry: Entry
    columns: tuple[str, ...]
    windowed: bool
    zone: ZoneInfo

    @property
    def name(self) -> str:
        """The view's name."""
        return self.entry.name

    @property
    def table(self) -> str:
        """The table that holds the rows."""
        return viewtables.table_of(self.entry.id)


def names(connection: Connection) -> list[str]:
    """Return the names of all views."""
    found = [entry.name for entry in viewcatalog.entries(connection) if entry.kind == "TABLE"]
    return list(dict.fromkeys(found))


def relation(connection: Connection, name: str) -> Relation | None:
    """Return what a name means: the live version, else the one that is being built."""
    entry = viewcatalog.find(connection, name) or viewcatalog.find(connection, name, "building")
    if entry is None or entry.kind != "TABLE":
        return None
    columns = viewtables.visible(connection, name)
    hidden = set(BOUNDS.values())
    return Relation(
        entry,
        tuple(column for column in columns if column not in hidden),
        windowed=bool(hidden & set(columns)),
        zone=zone_of(_own_zone(entry.statement) or entry.zone),
    )


@lru_cache(maxsize=256)
def _own_zone(statement: str) -> str | None:
    """Return the zone that a statement names; remembered, because reading SQL takes its time."""
    window = query_of(statement).window
    return window.zone if window else None


def seen_of(connection: Connection, found: Relation) -> Seen:
    """Return what is to be read of a view: all that `*` gives, by its keys."""
    keys = tuple(output.name for output in plan_of(connection, found.entry).outputs if output.key)
    return Seen(found.name, found.columns, keys, found.windowed)
