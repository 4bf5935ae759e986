"""Sessions: a text of SQL is carried out, and all that becomes of it is told as it happens."""

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing

from pulsebot.materialize.answer import Answer, Building, Piece
from pulsebot.materialize.desk import Desk
from pulsebot.views.dialect import parse
from pulsebot.views.statement import Create, Query, Replay

LOOK_S = 0.2
"""Time between two looks at how far a view is."""


async def session(desk: Desk, text: str, origin: str = "") -> AsyncGenerator[Piece, None]:
    """Carry out statements in their order; a table is complete before the next one's turn.

    Whoever stops listening does not stop what is being built. Raises InvalidInput at the first
    statement that cannot be carried out; those before it stay carried out.
    """
    for statement in parse(text):
        if isinstance(statement, Query) and statement.emit == "CHANGES":
            async with aclosing(desk.lookout.follow(statement)) as told:
                async for changes in told:
                    yield changes
            continue
        yield await desk.carry_out(statement, origin)
        if isinstance(statement, Create | Replay):
            async for building in built(desk, [statement.name.text]):
                yield building


async def built(desk: Desk, names: Collection[str] = ()) -> AsyncGenerator[Piece, None]:
    """Tell how far these views are, all where none is named, until they are built."""
    awaited = [name for name in desk.builder.names() if name in names or not names]
    told: dict[str, Building] = {}
    while any(name in awaited for name in desk.builder.names()):
        for name, progress in desk.builder.progress().items():
            building = Building(name, progress.done, progress.total)
            if name in awaited and told.get(name) != building:
                told[name] = building
                yield building
        await asyncio.sleep(LOOK_S)
    for name in awaited:
        if await desk.is_live(name):
            yield Answer(f"Table {name} is there.")
