"""The desk: statements are checked here, carried out, and answered.

It owns the catalog and the backfills that run. Whatever a statement changes happens in one
transaction of the writer, between two batches of the live stream.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog

from pulsebot.civil import instant, local_time, zone_of
from pulsebot.materialize import pull
from pulsebot.materialize.answer import Answer
from pulsebot.materialize.backfill import Backfill, Progress
from pulsebot.materialize.definitions import Definitions, definitions, query_of
from pulsebot.materialize.keeper import shape_of
from pulsebot.materialize.live import LiveViews
from pulsebot.settings import Settings
from pulsebot.store import marks, viewcatalog, viewtables
from pulsebot.store.database import Connection, Database
from pulsebot.store.viewcatalog import Draft, Entry
from pulsebot.stream.base import Partition
from pulsebot.stream.open import open_reader
from pulsebot.views.aggregates.table import AGGREGATES
from pulsebot.views.dialect import parse, parse_one
from pulsebot.views.functions import FUNCTIONS
from pulsebot.views.place import InvalidSql, Place, nearest
from pulsebot.views.plan import TablePlan
from pulsebot.views.planner import stream_source, table_plan
from pulsebot.views.source import BUILT_IN, Source
from pulsebot.views.statement import Create, Describe, Drop, Explain, Name, Query, Show, Statement
from pulsebot.views.windowing import length_ms
from pulsebot.window import DAY_MS

log = structlog.get_logger(__name__)

MAX_KEYS = 10_000
"""Keys of a view that does not say `WITH (MAX_KEYS = …)`."""

MOST_KEYS = 1_000_000

RETRY_S = 5.0


@dataclass(frozen=True, slots=True)
class Around:
    """What the desk works with: `consumed` gives the live side's next offsets."""

    database: Database
    settings: Settings
    live: LiveViews
    consumed: Callable[[Connection], Mapping[Partition, int]]
    now_ms: Callable[[], int]


class Desk:
    """Answers statements for one database; an owner runs its backfills."""

    def __init__(self, around: Around) -> None:
        self._around = around
        self._backfills: dict[int, tuple[str, Backfill]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    # ------------------------------------------------------------------ running

    async def resume(self) -> None:
        """Go on with what was being built when the last process ended."""
        for entry in await self._around.database.read(viewcatalog.entries):
            if entry.state == "building":
                self._build(entry)

    async def built(self) -> None:
        """Wait until nothing is being built."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Stop building; what is half-way goes on after the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def progress(self) -> dict[str, Progress]:
        """Return how far the views are that are being built, by name."""
        return {name: backfill.progress for name, backfill in self._backfills.values()}

    # ---------------------------------------------------------------- statements

    async def execute(self, text: str, origin: str = "") -> list[Answer]:
        """Carry out statements in their order; raises InvalidInput at the first that fails."""
        return [await self.carry_out(statement, origin) for statement in parse(text)]

    async def carry_out(self, statement: Statement, origin: str = "") -> Answer:
        """Carry out one statement."""
        match statement:
            case Create():
                return await self._create(statement, origin)
            case Drop():
                return await self._around.database.write(self._drop, statement)
            case Query():
                return await self.ask(statement)
            case Show():
                return await self._around.database.read(self._show, statement)
            case Describe():
                return await self._around.database.read(self._describe, statement.name)
            case Explain():
                return await self._around.database.read(self._explain, statement)

    async def ask(self, query: Query, limits: pull.Limits = pull.Limits()) -> Answer:  # noqa: B008 - frozen
        """Answer a SELECT over a view, off the loop."""
        path = self._around.settings.database
        entries = await self._around.database.read(viewcatalog.entries)
        tables = {e.name: e for e in entries if e.kind == "TABLE"}
        prepared = pull.prepare(query, tables, zone_of(self._around.settings.timezone))
        zone = self._zone(tables[prepared.view])
        prepared = pull.prepare(query, tables, zone_of(zone))
        return await asyncio.to_thread(pull.run, path, prepared, limits)

    def _zone(self, entry: Entry) -> str:
        clause = query_of(entry.statement).window
        return clause.zone if clause and clause.zone else entry.zone

    # -------------------------------------------------------------------- create

    async def _create(self, create: Create, origin: str) -> Answer:
        entry = await self._around.database.write(self._enter, create, origin)
        if entry.kind == "STREAM":
            return Answer(f"Stream {entry.name} is there.")
        self._build(entry)
        what = "is built beside the old version" if create.replace else "is being built"
        return Answer(
            f"Table {entry.name} {what} from the log; DESCRIBE {entry.name} tells how far."
        )

    def _enter(self, connection: Connection, create: Create, origin: str) -> Entry:
        if create.query is None:
            raise InvalidSql("expected AS SELECT …", create.name.place)
        known = self._known(connection)
        self._name_is_free(connection, create, known)
        draft = self._draft(create, origin)
        if create.kind == "STREAM":
            stream_source(create.name.text, create.query, known.sources)
            entry = viewcatalog.add(connection, draft, "live")
            self._around.live.load(connection)
            return entry
        plan = table_plan(create.query, known.sources, zone_of(draft.zone))
        entry = viewcatalog.add(connection, draft, "building")
        shape = shape_of(entry, plan)
        viewtables.create(connection, shape)
        if viewcatalog.find(connection, entry.name) is None:
            viewtables.show(connection, shape)
        return entry

    def _known(self, connection: Connection) -> Definitions:
        return definitions(e for e in viewcatalog.entries(connection) if e.state == "live")

    def _name_is_free(self, connection: Connection, create: Create, known: Definitions) -> None:
        name, place = create.name.text, create.name.place
        if name in BUILT_IN or viewtables.taken(connection, name):
            raise InvalidSql(f"{name} is one of pulsebot's own names; choose another", place)
        if viewcatalog.find(connection, name, "building"):
            raise InvalidSql(f"{name} is being built; wait for it, or DROP it first", place)
        earlier = viewcatalog.find(connection, name)
        if earlier is None:
            return
        if not create.replace or earlier.kind != create.kind:
            raise InvalidSql(
                f"{name} is there already; say CREATE OR REPLACE {earlier.kind}, or DROP it", place
            )
        if create.kind == "STREAM":
            self._nobody_reads(name, place, known)
            viewcatalog.remove(connection, earlier.id)

    def _nobody_reads(self, name: str, place: Place, known: Definitions) -> None:
        if readers := known.readers(name):
            raise InvalidSql(f"{name} is read by {', '.join(readers)}; DROP those first", place)

    def _draft(self, create: Create, origin: str) -> Draft:
        for option in create.options:
            if option not in _OPTIONS:
                raise InvalidSql(
                    f"there is no option {option}{nearest(option, _OPTIONS)}", create.name.place
                )
        most = create.options.get("MAX_KEYS", MAX_KEYS)
        if not isinstance(most, int) or not 1 <= most <= MOST_KEYS:
            raise InvalidSql(f"MAX_KEYS must be 1 to {MOST_KEYS}", create.name.place)
        settings = self._around.settings
        self._since_ms(create)
        window = create.query.window if create.query else None
        kept = window.retention if window else None
        retention_ms = length_ms(kept) if kept else int(settings.retention.views * DAY_MS)
        return Draft(
            name=create.name.text,
            kind=create.kind,
            statement=create.text,
            zone=settings.timezone,
            max_keys=most,
            retention_ms=retention_ms,
            created_ms=self._around.now_ms(),
            origin=origin,
        )

    def _since_ms(self, create: Create) -> int | None:
        """Return what FROM TIMESTAMP says."""
        if create.since is None:
            return None
        try:
            moment = datetime.fromisoformat(create.since)
        except ValueError:
            raise InvalidSql(
                f"FROM TIMESTAMP {create.since!r}: write '2026-11-20' or '2026-11-20T14:00:00Z'",
                create.name.place,
            ) from None
        zone = zone_of(self._around.settings.timezone)
        return round(moment.timestamp() * 1000) if moment.tzinfo else instant(moment, zone)

    # ------------------------------------------------------------------ building

    def _build(self, entry: Entry) -> None:
        task = asyncio.create_task(self._building(entry), name=f"build {entry.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _building(self, entry: Entry) -> None:
        """Build one version; what hinders it is logged, and it is tried again."""
        database = self._around.database
        plan = await database.read(self._plan, entry)
        created = parse_one(entry.statement)
        since_ms = self._since_ms(created) if isinstance(created, Create) else None
        backfill = Backfill(
            entry.id,
            plan,
            self._around.settings.clock,
            consumed=self._around.consumed,
            join=self._join,
            now_ms=self._around.now_ms,
        )
        self._backfills[entry.id] = entry.name, backfill
        try:
            while True:
                try:
                    reader = open_reader(self._around.settings.stream)
                    await backfill.run(database, reader, since_ms)
                except Exception:
                    if await database.read(_is_gone, entry.id):
                        return
                    log.exception("a view could not be built; trying again", view=entry.name)
                    await asyncio.sleep(RETRY_S)
                else:
                    log.info("view is live", view=entry.name)
                    return
        finally:
            del self._backfills[entry.id]

    def _plan(self, connection: Connection, entry: Entry) -> TablePlan:
        sources = self._known(connection).sources
        return table_plan(query_of(entry.statement), sources, zone_of(entry.zone))

    def _join(self, connection: Connection, view: int) -> None:
        entry = viewcatalog.get(connection, view)
        if earlier := viewcatalog.find(connection, entry.name):
            self._delete(connection, earlier)
        viewcatalog.make_live(connection, view)
        viewtables.show(connection, shape_of(entry, self._plan(connection, entry)))
        self._around.live.load(connection)

    # ------------------------------------------------------------- drop and show

    def _drop(self, connection: Connection, drop: Drop) -> Answer:
        name = drop.name.text
        versions = [e for e in viewcatalog.entries(connection) if e.name == name]
        if not versions:
            if drop.if_exists:
                return Answer(f"There is no {name}.")
            raise self._unknown(connection, drop.name)
        if versions[0].kind != drop.kind:
            raise InvalidSql(
                f"{name} is a {versions[0].kind}; DROP {versions[0].kind}", drop.name.place
            )
        if drop.kind == "STREAM":
            self._nobody_reads(name, drop.name.place, self._known(connection))
        for entry in versions:
            self._delete(connection, entry)
        viewtables.hide(connection, name)
        self._around.live.load(connection)
        return Answer(f"{drop.kind.capitalize()} {name} is gone.")

    def _delete(self, connection: Connection, entry: Entry) -> None:
        if entry.kind == "TABLE":
            viewtables.hide(connection, entry.name)
            viewtables.drop(connection, entry.id)
            marks.drop(connection, marks.tables_of(entry.id))
        viewcatalog.remove(connection, entry.id)

    def _unknown(self, connection: Connection, name: Name) -> InvalidSql:
        known = [*BUILT_IN, *(entry.name for entry in viewcatalog.entries(connection))]
        return InvalidSql(f"there is no {name}{nearest(name.text, known)}", name.place)

    def _show(self, connection: Connection, show: Show) -> Answer:
        if show.what == "FUNCTIONS":
            rows = [(n, "aggregate") for n in AGGREGATES] + [(n, "scalar") for n in FUNCTIONS]
            return Answer("", ("NAME", "KIND"), sorted(rows))
        entries = viewcatalog.entries(connection)
        if show.what == "STREAMS":
            made = [(e.name, _one_line(e.statement)) for e in entries if e.kind == "STREAM"]
            return Answer("", ("NAME", "MADE BY"), [*((n, "built in") for n in BUILT_IN), *made])
        columns = ("NAME", "STATE", "COMPLETE SINCE", "LATE", "REFUSED", "STATEMENT")
        return Answer("", columns, [self._table_row(e) for e in entries if e.kind == "TABLE"])

    def _table_row(self, entry: Entry) -> tuple[object, ...]:
        return (
            entry.name, self._state(entry), self._since(entry), entry.late, entry.refused,
            _one_line(entry.statement),
        )  # fmt: skip

    def _state(self, entry: Entry) -> str:
        if entry.state == "live" or entry.id not in self._backfills:
            return entry.state
        _, backfill = self._backfills[entry.id]
        return f"building: {backfill.progress.done} of {backfill.progress.total} records"

    def _since(self, entry: Entry) -> str:
        if entry.since_ms is None:
            return "the log's beginning"
        zone = zone_of(entry.zone)
        return local_time(entry.since_ms, zone).isoformat(timespec="seconds")

    def _describe(self, connection: Connection, name: Name) -> Answer:
        known = self._known(connection)
        if source := known.sources.get(name.text):
            rows = [(column.name, str(column.type), "") for column in source.columns.values()]
            return Answer(_read_by(source, known), ("COLUMN", "TYPE", "KEY"), rows)
        versions = [e for e in viewcatalog.entries(connection) if e.name == name.text]
        if not versions:
            raise self._unknown(connection, name)
        entry = versions[0]
        plan = table_plan(query_of(entry.statement), known.sources, zone_of(entry.zone))
        rows = [(o.name, str(o.type), "key" if o.key else "") for o in plan.outputs]
        if plan.window:
            rows += [(n, "STRING", "window") for n in ("WINDOWSTART", "WINDOWEND")]
        said = [f"{e.name}: {self._state(e)}; complete since {self._since(e)}" for e in versions]
        said.append(f"zone of days: {plan.zone.key}; keys at the most: {entry.max_keys}")
        said += [f"{entry.late} rows came too late"] * bool(entry.late)
        said += [f"{entry.refused} rows had a key too many"] * bool(entry.refused)
        said.append(entry.statement)
        return Answer("\n".join(said), ("COLUMN", "TYPE", "KEY"), rows)

    def _explain(self, connection: Connection, explain: Explain) -> Answer:
        target, known = explain.target, self._known(connection)
        if isinstance(target, Name):
            entry = next(
                (e for e in viewcatalog.entries(connection) if e.name == target.text), None
            )
            if entry is None:
                raise self._unknown(connection, target)
            query = query_of(entry.statement)
        else:
            asked = target.query if isinstance(target, Create) else target
            if not isinstance(asked, Query):
                raise InvalidSql("EXPLAIN needs a name or a SELECT", Place())
            query = asked
        plan = table_plan(query, known.sources, zone_of(self._around.settings.timezone))
        return Answer("\n".join(_explained(plan)))


def _explained(plan: TablePlan) -> list[str]:
    source = " → ".join([*plan.source.parents, plan.source.name])
    window = plan.window
    lines = [f"reads {source}: events of kind {plan.source.kind}"]
    lines.append("rows are filtered by WHERE" if plan.where else "all rows")
    lines.append(f"grouped by {len(plan.keys)} keys; {len(plan.aggregates)} aggregates")
    if window:
        lines.append(f"{window.kind} windows of {window.size}, days of {plan.zone.key}")
    how = "groups of equal triggers, by minute" if plan.grouped else "single events"
    lines.append(f"computed from {how}")
    return lines


def _read_by(source: Source, known: Definitions) -> str:
    readers = known.readers(source.name)
    return f"{source.name}: read by {', '.join(readers) or 'nothing yet'}"


_OPTIONS = ("MAX_KEYS",)


def _one_line(statement: str) -> str:
    return " ".join(statement.split())


def _is_gone(connection: Connection, view: int) -> bool:
    return all(entry.id != view for entry in viewcatalog.entries(connection))
