"""Describing: what SHOW, DESCRIBE and EXPLAIN answer.

Reads the catalog; must not change anything.
"""

from collections.abc import Callable
from zoneinfo import ZoneInfo

from pulsebot.civil import local_time, zone_of
from pulsebot.materialize.answer import Answer
from pulsebot.materialize.backfill import Progress
from pulsebot.materialize.definitions import Definitions, definitions, query_of
from pulsebot.materialize.relation import relation
from pulsebot.materialize.selection import reads, selection
from pulsebot.phrases import plural
from pulsebot.store import viewcatalog
from pulsebot.store.database import Connection
from pulsebot.store.viewcatalog import Entry
from pulsebot.views.aggregates.table import AGGREGATES
from pulsebot.views.functions.table import FUNCTIONS
from pulsebot.views.place import InvalidSql, Place, nearest
from pulsebot.views.plan import TablePlan
from pulsebot.views.planner import table_plan
from pulsebot.views.source import BUILT_IN, Source
from pulsebot.views.statement import Create, Describe, Explain, Name, Query, Show


class Describer:
    """Describes the catalog; `progress` tells how far a version is that is being built."""

    def __init__(self, progress: Callable[[int], Progress | None], zone: ZoneInfo) -> None:
        self._progress = progress
        self._zone = zone

    def show(self, connection: Connection, show: Show) -> Answer:
        """Answer SHOW TABLES, STREAMS or FUNCTIONS."""
        if show.what == "FUNCTIONS":
            rows = [(name, "aggregate", str(kind)) for name, kind in AGGREGATES.items()]
            rows += [(name, "scalar", str(function)) for name, function in FUNCTIONS.items()]
            return Answer("", ("NAME", "KIND", "TAKES → GIVES"), sorted(rows))
        entries = viewcatalog.entries(connection)
        if show.what == "STREAMS":
            made = [(e.name, _one_line(e.statement)) for e in entries if e.kind == "STREAM"]
            return Answer("", ("NAME", "MADE BY"), [*((n, "built in") for n in BUILT_IN), *made])
        columns = ("NAME", "STATE", "COMPLETE SINCE", "LATE", "REFUSED", "FILE")
        return Answer("", columns, [self._table_row(e) for e in entries if e.kind != "STREAM"])

    def _table_row(self, entry: Entry) -> tuple[object, ...]:
        return (
            entry.name, self._state(entry), self._since(entry), entry.late, entry.refused,
            entry.origin,
        )  # fmt: skip

    def _state(self, entry: Entry) -> str:
        progress = self._progress(entry.id)
        if entry.state == "live" or progress is None:
            return entry.state
        return f"building: {progress.done} of {progress.total} records"

    def _since(self, entry: Entry) -> str:
        if entry.since_ms is None:
            return "the log's beginning"
        return local(entry, entry.since_ms)

    def describe(self, connection: Connection, asked: Describe) -> Answer:
        """Answer DESCRIBE: columns, how far a view is, and since when it is complete."""
        name, known = asked.name, known_to(connection)
        if source := known.sources.get(name.text):
            rows = [
                (column.name, str(column.type), "key" if column.name == source.key else "")
                for column in source.columns.values()
            ]
            return Answer(_read_by(source, known), ("COLUMN", "TYPE", "KEY"), rows)
        versions = [e for e in viewcatalog.entries(connection) if e.name == name.text]
        if not versions:
            raise unknown(connection, name)
        entry = versions[-1]
        if entry.state == "broken":
            raise InvalidSql(f"{name} is broken; create it again:\n{entry.statement}", name.place)
        plan = table_plan(query_of(entry.statement), known.sources, zone_of(entry.zone))
        rows = [(o.name, str(o.type), "key" if o.key else "") for o in plan.outputs]
        if plan.window:
            rows += [(n, "STRING", "window") for n in ("WINDOWSTART", "WINDOWEND")]
        said = [f"{e.name}: {self._state(e)}; complete since {self._since(e)}" for e in versions]
        said.append(f"zone of days: {plan.zone.key}; keys at the most: {entry.max_keys}")
        said += [f"{entry.late} rows came too late"] * bool(entry.late)
        said += [f"{entry.refused} rows had a key too many"] * bool(entry.refused)
        said += [f"{entry.failed} rows could not be computed"] * bool(entry.failed)
        said += [f"declared in {entry.origin}"] * bool(entry.origin)
        said.append(entry.statement)
        return Answer("\n".join(said), ("COLUMN", "TYPE", "KEY"), rows)

    def explain(self, connection: Connection, explain: Explain) -> Answer:
        """Answer EXPLAIN: how a statement is, or would be, computed."""
        target, known = explain.target, known_to(connection)
        if isinstance(target, Name):
            entry = next(
                (e for e in viewcatalog.entries(connection) if e.name == target.text), None
            )
            if entry is None:
                raise unknown(connection, target)
            query = query_of(entry.statement)
        else:
            asked = target.query if isinstance(target, Create) else target
            if not isinstance(asked, Query):
                raise InvalidSql("EXPLAIN needs a name or a SELECT", Place())
            query = asked
            if isinstance(target, Query) and (view := relation(connection, reads(target)[0])):
                selection(target, view)
                return Answer(f"reads the rows of {view.name}; EXPLAIN {view.name} tells of those")
        plan = table_plan(query, known.sources, self._zone)
        return Answer("\n".join(_explained(plan)))


def _explained(plan: TablePlan) -> list[str]:
    source = " → ".join([*plan.source.parents, plan.source.name])
    window = plan.window
    kind, topic = plan.source.kind, plan.source.topic
    lines = [f"reads {source}: {f'records of {topic}' if topic else f'events of kind {kind}'}"]
    lines.append("rows are filtered by WHERE" if plan.where else "all rows")
    grouped = plural(len(plan.keys), "key") if plan.keys else "nothing"
    lines.append(f"grouped by {grouped}; {plural(len(plan.aggregates), 'aggregate')}")
    if window:
        lines.append(f"{window.kind} windows of {window.size}, days of {plan.zone.key}")
    how = "groups of equal triggers, by minute" if plan.attributes is not None else "single events"
    lines.append(f"computed from {how}")
    return lines


def _read_by(source: Source, known: Definitions) -> str:
    readers = sorted({entry.name for entry in known.readers(source.name)})
    return f"{source.name}: read by {', '.join(readers) or 'nothing yet'}"


def known_to(connection: Connection) -> Definitions:
    """Return what the live entries of the catalog mean."""
    return definitions(e for e in viewcatalog.entries(connection) if e.state == "live")


def unknown(connection: Connection, name: Name) -> InvalidSql:
    """Return the error about a name that means nothing."""
    known = [*BUILT_IN, *(entry.name for entry in viewcatalog.entries(connection))]
    return InvalidSql(f"there is no {name}{nearest(name.text, known)}", name.place)


def zone_name(entry: Entry) -> str:
    """Return the zone of a view's days."""
    clause = query_of(entry.statement).window
    return clause.zone if clause and clause.zone else entry.zone


def local(entry: Entry, ms: int) -> str:
    """Return a time as the view's clocks show it."""
    return local_time(ms, zone_of(zone_name(entry))).isoformat(timespec="seconds")


def _one_line(statement: str) -> str:
    return " ".join(statement.split())
