"""Definitions: what the statements of the catalog mean together.

Streams are read before the views that read them; a name can mean one thing only.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from pulsebot.civil import zone_of
from pulsebot.errors import InvalidInput
from pulsebot.store.viewcatalog import Entry
from pulsebot.views.creation import source_of
from pulsebot.views.dialect import parse_one
from pulsebot.views.lookup import lookup_source
from pulsebot.views.place import InvalidSql, Place
from pulsebot.views.plan import TablePlan
from pulsebot.views.planner import table_plan
from pulsebot.views.source import BUILT_IN, Source
from pulsebot.views.statement import Create, Query


@dataclass(slots=True)
class Definitions:
    """All streams by name, and the plan of each table by the id of its version."""

    sources: dict[str, Source] = field(default_factory=lambda: dict(BUILT_IN))
    plans: dict[int, TablePlan] = field(default_factory=dict)
    entries: dict[int, Entry] = field(default_factory=dict)
    broken: dict[int, str] = field(default_factory=dict)
    """Why entries cannot be understood, by their ids: an older pulsebot had accepted them."""

    def add(self, entry: Entry) -> None:
        """Take an entry in; what it reads must be here."""
        if entry.kind == "LOOKUP":
            rows = msgspec.msgpack.decode(entry.content or b"\x90")
            self.sources[entry.name] = lookup_source(created(entry.statement), rows)
        elif entry.kind == "STREAM":
            self.sources[entry.name] = source_of(created(entry.statement), self.sources)
        else:
            query = query_of(entry.statement)
            self.plans[entry.id] = table_plan(query, self.sources, zone_of(entry.zone))
        self.entries[entry.id] = entry

    def readers(self, name: str) -> list[Entry]:
        """Return what reads a stream or lookup, directly or not, oldest first."""
        return [entry for _, entry in sorted(self.entries.items()) if name in self._read_by(entry)]

    def _read_by(self, entry: Entry) -> tuple[str, ...]:
        if entry.id in self.plans:
            source = self.plans[entry.id].source
            return (source.name, *source.parents)
        return self.sources[entry.name].parents

    def looks_up(self, plan: TablePlan) -> bool:
        """Tell whether a table reads a lookup, whose rows may be others than before."""
        parents = [self.sources[name] for name in plan.source.parents if name in self.sources]
        return any(source.lookup is not None for source in parents)


def definitions(entries: Iterable[Entry]) -> Definitions:
    """Return what entries mean, given oldest first; one that means nothing stops no other."""
    found = Definitions()
    for entry in entries:
        try:
            found.add(entry)
        except InvalidInput as error:
            found.broken[entry.id] = str(error)
    return found


def created(statement: str) -> Create:
    """Return a CREATE that was accepted once."""
    found = parse_one(statement)
    if not isinstance(found, Create):
        raise InvalidSql("expected CREATE", Place())
    return found


def query_of(statement: str) -> Query:
    """Return the SELECT of a CREATE … AS SELECT that was accepted once."""
    query = created(statement).query
    if query is None:
        raise InvalidSql("expected CREATE … AS SELECT", Place())
    return query


Sources = Mapping[str, Source]
