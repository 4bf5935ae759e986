"""Declaring: the catalog is brought in line with the view files when the bot starts.

What is new is created, what means something else is built beside the old version and swapped,
the rest stays as it is. So does what no file declares any longer; the log says so. A view
whose days are those of another zone than the configured one is built again as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog

from pulsebot.errors import InvalidInput
from pulsebot.materialize.builder import delete, plan_of
from pulsebot.materialize.definitions import created
from pulsebot.materialize.desk import Desk
from pulsebot.materialize.keeper import shape_of
from pulsebot.store import viewcatalog, viewtables
from pulsebot.store.database import Connection, Database
from pulsebot.store.viewcatalog import Entry
from pulsebot.viewfile import Declared
from pulsebot.views.creation import meaning
from pulsebot.views.statement import Create

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What there is to be: a statement, the file that declares it, and the configured zone."""

    create: Create
    origin: str
    zone: str


async def declare(desk: Desk, database: Database, declared: Sequence[Declared], zone: str) -> None:
    """Create, replace and keep; a statement that cannot be carried out is logged."""
    names = {one.create.name.text for one in declared}
    wanted = [_Wanted(one.create, one.file, zone) for one in declared]
    for entry in reversed(await database.read(viewcatalog.entries)):  # the newest version
        if entry.name not in names:
            names.add(entry.name)
            wanted += [_Wanted(created(entry.statement), entry.origin, zone)]
            if entry.origin:
                log.warning("no file declares this any longer; DROP it if nobody needs it",
                            view=entry.name, declared_in=entry.origin)  # fmt: skip
    for one in wanted:
        try:
            if await database.write(_settle, one):
                await desk.create(replace(one.create, replace=True), one.origin)
                log.info("view is made as declared", view=one.create.name.text, file=one.origin)
        except InvalidInput as error:
            log.error("what is declared cannot be made; what there is stays",  # noqa: TRY400 - the file is at fault
                      view=one.create.name.text, file=one.origin, error=str(error))  # fmt: skip


def _settle(connection: Connection, wanted: _Wanted) -> bool:
    """Note where a view is declared; return whether it is to be made."""
    name = wanted.create.name.text
    live = viewcatalog.find(connection, name)
    building = viewcatalog.find(connection, name, "building")
    newest = building or live
    if building and not _is(building, wanted):
        delete(connection, building)
        if live:
            viewtables.show(connection, shape_of(live, plan_of(connection, live)))
        newest = live
    if newest is None or not _is(newest, wanted):
        return True
    if newest.origin != wanted.origin:
        viewcatalog.set_origin(connection, newest.id, wanted.origin)
    return False


def _is(entry: Entry, wanted: _Wanted) -> bool:
    """Tell whether a version is what is wanted."""
    same = meaning(entry.statement) == meaning(wanted.create.text)
    return same and (entry.zone == wanted.zone or not _by_zone(wanted.create))


def _by_zone(create: Create) -> bool:
    """Tell whether the configured zone makes a difference."""
    window = create.query.window if create.query else None
    return create.kind == "TABLE" and window is not None and window.zone is None
