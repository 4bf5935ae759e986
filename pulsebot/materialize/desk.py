"""The desk: statements are checked here, carried out, and answered.

It owns the catalog: whatever a statement changes there happens in one transaction of the
writer, between two batches of the live stream.
"""

import msgspec

from pulsebot.civil import zone_of
from pulsebot.errors import InvalidInput
from pulsebot.lookupfile import read_lookup
from pulsebot.materialize.admission import kind_of, may_come, may_go
from pulsebot.materialize.answer import Answer
from pulsebot.materialize.builder import Around, Builder, delete, plan_of
from pulsebot.materialize.definitions import query_of
from pulsebot.materialize.describing import Describer, known_to, local, unknown
from pulsebot.materialize.keeper import shape_of
from pulsebot.materialize.lookout import Lookout
from pulsebot.materialize.pull import Limits, Pulls
from pulsebot.materialize.relation import Relation, names, relation
from pulsebot.materialize.selection import reads, selection
from pulsebot.materialize.selection import unknown as unknown_view
from pulsebot.store import viewcatalog, viewtables
from pulsebot.store.database import Connection
from pulsebot.store.viewcatalog import Draft, Entry
from pulsebot.views.creation import instant_of, keys_of, since_of, source_of
from pulsebot.views.dialect import parse
from pulsebot.views.place import InvalidSql
from pulsebot.views.planner import table_plan
from pulsebot.views.statement import (
    Create,
    Describe,
    Drop,
    Explain,
    Name,
    Query,
    Replay,
    Show,
    Statement,
)
from pulsebot.views.windowing import assignment, length_ms
from pulsebot.window import DAY_MS


class Desk:
    """Answers statements for one database; `builder` builds what they create.

    There is a `lookout` while the bot runs: nothing changes otherwise.
    """

    def __init__(self, around: Around, lookout: Lookout | None = None) -> None:
        self.builder = Builder(around)
        self._around = around
        self._lookout = lookout
        self._pulls = Pulls(around.settings.database)
        self._describer = Describer(self.builder.progress_of, zone_of(around.settings.timezone))

    async def execute(self, text: str, origin: str = "") -> list[Answer]:
        """Carry out statements in their order; raises InvalidInput at the first that fails."""
        return [await self.carry_out(statement, origin) for statement in parse(text)]

    async def carry_out(self, statement: Statement, origin: str = "") -> Answer:  # noqa: PLR0911 - one each
        """Carry out one statement."""
        match statement:
            case Create():
                return await self.create(statement, origin)
            case Drop():
                return await self._around.database.write(self._drop, statement)
            case Replay():
                return await self._replay(statement)
            case Query():
                return await self.ask(statement)
            case Show():
                return await self._around.database.read(self._describer.show, statement)
            case Describe():
                return await self._around.database.read(self._describer.describe, statement)
            case Explain():
                return await self._around.database.read(self._describer.explain, statement)

    async def ask(self, query: Query, limits: Limits = Limits()) -> Answer:  # noqa: B008 - frozen
        """Answer a SELECT over a view, off the loop."""
        if query.emit == "CHANGES":
            raise InvalidSql(
                "EMIT CHANGES has no end; ask for it in `pulsebot sql` or over HTTP",
                query.place(query.select),
            )
        asked = selection(query, await self.relation_of(query))
        return await self._pulls.run(asked, limits)

    @property
    def lookout(self) -> Lookout:
        """Where `EMIT CHANGES` is answered; raises InvalidInput while the bot is stopped."""
        if self._lookout is None:
            raise InvalidInput("EMIT CHANGES needs the running bot: pulsebot run")
        return self._lookout

    async def relation_of(self, query: Query) -> Relation:
        """Return the view that a query reads; raises InvalidSql if there is none."""
        name, _ = reads(query)
        found = await self._around.database.read(relation, name)
        if found is None:
            raise await self._around.database.read(_unknown_view, query)
        return found

    async def create(self, create: Create, origin: str = "") -> Answer:
        """Enter a view or stream; a view is built from then on."""
        entry = await self._around.database.write(self._enter, create, origin)
        if entry.kind != "TABLE":
            return Answer(f"{_WORDS[entry.kind]} {entry.name} is there.")
        self.builder.build(entry)
        what = "is built beside the old version" if create.replace else "is being built"
        return Answer(
            f"Table {entry.name} {what} from the log; DESCRIBE {entry.name} tells how far."
        )

    async def is_live(self, name: str) -> bool:
        """Tell whether a view of this name is there and complete."""
        return await self._around.database.read(viewcatalog.find, name) is not None

    async def _replay(self, replay: Replay) -> Answer:
        """Build a view again from the log, beside the old version, and swap.

        Windows before the one that holds the moment are taken over as they are. Hopping and
        session windows hang together, and a view without windows is one whole: those are
        built from the log's beginning.
        """
        since_ms = instant_of(replay.since, replay.name, zone_of(self._around.settings.timezone))
        entry = await self._around.database.write(self._enter_again, replay.name, since_ms)
        self.builder.build(entry)
        if entry.from_ms is None:
            return Answer(f"Table {entry.name} is built again from the log's beginning.")
        return Answer(f"Table {entry.name} is built again since {local(entry, entry.from_ms)}.")

    def _enter_again(self, connection: Connection, name: Name, since_ms: int) -> Entry:
        earlier = viewcatalog.find(connection, name.text)
        if viewcatalog.find(connection, name.text, "building"):
            raise InvalidSql(f"{name} is being built; wait for it, or DROP it first", name.place)
        if earlier is None or earlier.kind != "TABLE":
            raise unknown(connection, name)
        plan = plan_of(connection, earlier)
        from_ms = None
        if plan.window and plan.window.kind == "TUMBLING":
            [(from_ms, _)] = assignment(plan.window, plan.zone)(since_ms)
        draft = Draft(
            name=earlier.name,
            kind="TABLE",
            statement=earlier.statement,
            zone=earlier.zone,
            max_keys=earlier.max_keys,
            retention_ms=earlier.retention_ms,
            created_ms=earlier.created_ms,
            origin=earlier.origin,
            from_ms=from_ms,
            inherits=from_ms is not None,
        )
        entry = viewcatalog.add(connection, draft, "building")
        viewtables.create(connection, shape_of(entry, plan))
        return entry

    def _enter(self, connection: Connection, create: Create, origin: str) -> Entry:
        earlier = may_come(connection, create)
        draft = self._draft(create, origin)
        if earlier is not None and draft.kind != "TABLE":
            viewcatalog.remove(connection, earlier.id)
        known = known_to(connection)
        if draft.kind != "TABLE":
            source_of(create, known.sources)
            entry = viewcatalog.add(connection, draft, "live")
            if draft.kind == "LOOKUP":
                rows = read_lookup(create)
                viewcatalog.set_content(connection, entry.id, msgspec.msgpack.encode(rows))
            return entry
        plan = table_plan(query_of(create.text), known.sources, zone_of(draft.zone))
        entry = viewcatalog.add(connection, draft, "building")
        if entry.from_ms is not None:
            viewcatalog.note_since(connection, entry.id, entry.from_ms)
        shape = shape_of(entry, plan)
        viewtables.create(connection, shape)
        if viewcatalog.find(connection, entry.name) is None:
            viewtables.show(connection, shape)
        return entry

    def _draft(self, create: Create, origin: str) -> Draft:
        most = keys_of(create)
        settings = self._around.settings
        window = create.query.window if create.query else None
        kept = window.retention if window else None
        retention_ms = length_ms(kept) if kept else int(settings.retention.views * DAY_MS)
        return Draft(
            name=create.name.text,
            kind=kind_of(create),
            statement=create.text,
            zone=settings.timezone,
            max_keys=most,
            retention_ms=retention_ms,
            created_ms=self._around.now_ms(),
            origin=origin,
            from_ms=since_of(create, zone_of(settings.timezone)),
        )

    def _drop(self, connection: Connection, drop: Drop) -> Answer:
        name = drop.name.text
        versions = [e for e in viewcatalog.entries(connection) if e.name == name]
        if not versions:
            if drop.if_exists:
                return Answer(f"There is no {name}.")
            raise unknown(connection, drop.name)
        kind = "STREAM" if versions[0].kind == "STREAM" else "TABLE"
        if kind != drop.kind:
            raise InvalidSql(f"{name} is a {kind}; DROP {kind}", drop.name.place)
        may_go(connection, drop.name, versions[0])
        for entry in versions:
            delete(connection, entry)
        viewtables.hide(connection, name)
        return Answer(f"{drop.kind.capitalize()} {name} is gone.")


def _unknown_view(connection: Connection, query: Query) -> InvalidSql:
    return unknown_view(query, names(connection), known_to(connection).sources)


_WORDS = {"STREAM": "Stream", "LOOKUP": "Lookup table"}
