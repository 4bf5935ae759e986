"""Views that people made in SQL: which there are, how far each is, and their rows."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from pulsebot.commands.base import Question
from pulsebot.materialize.builder import plan_of
from pulsebot.materialize.export import records
from pulsebot.materialize.relation import Relation, names, relation, seen_of
from pulsebot.store import positions, viewcatalog, viewrows
from pulsebot.store.database import Connection
from pulsebot.store.viewcatalog import Entry
from pulsebot.store.viewrows import Asked as Rows
from pulsebot.views.place import nearest
from pulsebot.web.api.base import (
    AsOf,
    NotHere,
    Parameters,
    Span,
    Time,
    Unusable,
    Window,
    as_of,
    span_of,
    when,
    window,
)

Name = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=300,
        description="Name of a view; in any case, unless it was made in quotes.",
        examples=["TRIGGER_PER_DAY"],
    ),
]


class AskedForAll(Parameters, frozen=True, kw_only=True):
    """All views."""


class AskedForOne(Parameters, frozen=True, kw_only=True):
    """Which view."""

    name: Name


class AskedForRows(Parameters, frozen=True, kw_only=True):
    """Which rows of a view: those of a key, those whose window touches `window`."""

    name: Name
    key: (
        Annotated[str, Meta(max_length=1_020, description="Value of one of the key columns.")]
        | None
    ) = None
    window: Span | None = None
    limit: Annotated[int, Meta(ge=1, le=1_000)] = 100


class ViewColumn(Struct, frozen=True, kw_only=True):
    """A column of a view."""

    name: str
    type: str
    key: Annotated[bool, Meta(description="Whether rows are told apart by it.")]


class Building(Struct, frozen=True, kw_only=True):
    """How far the building of a view is, in records of the stream."""

    done: Annotated[int, Meta(ge=0)]
    total: Annotated[int, Meta(ge=0)]


class View(Struct, frozen=True, kw_only=True):
    """A view, and what is known of it."""

    name: str
    state: Literal["live", "building", "broken"]
    building: Annotated[
        Building | None, Meta(description="Set while it, or its next version, is being built.")
    ]
    windows: Annotated[str | None, Meta(description="Kind and size; null where there are none.")]
    zone: Annotated[str, Meta(description="Time zone (IANA) of its days.")]
    complete_since: Annotated[Time | None, Meta(description="Null: since the stream began.")]
    columns: list[ViewColumn]
    file: Annotated[str | None, Meta(description="The file that declares it, if one does.")]
    statement: str
    late: Annotated[int, Meta(ge=0, description="Rows that came after the grace period.")]
    refused: Annotated[int, Meta(ge=0, description="Rows whose key was one too many.")]
    failed: Annotated[int, Meta(ge=0, description="Rows that could not be computed.")]


class Views(Struct, frozen=True, kw_only=True):
    """All views, by name."""

    as_of: AsOf
    views: list[View]


class OneView(Struct, frozen=True, kw_only=True):
    """One view."""

    as_of: AsOf
    view: View


class ViewRows(Struct, frozen=True, kw_only=True):
    """Rows of a view, those of the newest windows first; texts are raw, to be escaped."""

    as_of: AsOf
    view: str
    window: Window | None
    more: Annotated[bool, Meta(description="Whether there are more than `limit`.")]
    rows: list[dict[str, Any]]


def views(connection: Connection, question: Question, asked: AskedForAll) -> Views:
    """List the views that people made in SQL."""
    del asked
    found = [relation(connection, name) for name in sorted(names(connection))]
    told = [_view(connection, question, view) for view in found if view]
    return Views(as_of=as_of(question), views=told)


def view(connection: Connection, question: Question, asked: AskedForOne) -> OneView:
    """Tell what is known of a view."""
    told = _view(connection, question, _find(connection, asked.name))
    return OneView(as_of=as_of(question), view=told)


def rows(connection: Connection, question: Question, asked: AskedForRows) -> ViewRows:
    """Return rows of a view by key and window; `POST /api/v1/query` asks anything else."""
    found = _find(connection, asked.name)
    span = None if asked.window is None else span_of(question, asked.window)
    if span and not found.windowed:
        raise Unusable("window", f"{found.name} has no windows: it is one count of all time")
    bounds = (span.start_ms, span.end_ms) if span else (None, None)
    wanted = Rows(asked.limit + 1, asked.key, *bounds)
    kept = viewrows.rows(connection, seen_of(connection, found), wanted)
    return ViewRows(
        as_of=as_of(question),
        view=found.name,
        window=window(span) if span else None,
        more=len(kept) > asked.limit,
        rows=list(records(kept[: asked.limit], found.columns)),
    )


def _find(connection: Connection, name: str) -> Relation:
    there = names(connection)
    found = relation(connection, name if name in there else name.upper())
    if found is None:
        raise NotHere("name", f"there is no view {name[:60]}{nearest(name, there)}")
    return found


def _view(connection: Connection, question: Question, found: Relation) -> View:
    entry, plan = found.entry, plan_of(connection, found.entry)
    clause = plan.window
    return View(
        name=entry.name,
        state=entry.state,
        building=_building(connection, entry),
        windows=f"{clause.kind} {clause.size}" if clause else None,
        zone=found.zone.key,
        complete_since=when(entry.since_ms, question.zone),
        columns=[ViewColumn(name=o.name, type=str(o.type), key=o.key) for o in plan.outputs],
        file=entry.origin or None,
        statement=entry.statement,
        late=entry.late,
        refused=entry.refused,
        failed=entry.failed,
    )


def _building(connection: Connection, entry: Entry) -> Building | None:
    """Return how far a version is, by what it has read and what the live side has."""
    version = viewcatalog.find(connection, entry.name, "building")
    if version is None:
        return None
    consumed = positions.load(connection)
    reached = viewcatalog.reach(connection, version.id).items()
    done = sum(after - first for _, (first, after) in reached)
    left = sum(max(consumed.get(part, 0) - after, 0) for part, (_, after) in reached)
    return Building(done=done, total=done + left)
