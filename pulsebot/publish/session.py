"""A session: all views that are to be published, kept by way of one connection.

A view that cannot be kept says so in its state, and does not hold up the others. Only a
connection that is lost ends a session.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import psycopg
import structlog

from pulsebot.publish import progress
from pulsebot.publish.base import (
    Forgotten,
    Layout,
    Overtaken,
    Refused,
    Source,
    Standing,
    Superseded,
)
from pulsebot.publish.progress import Connection, Progress
from pulsebot.publish.publication import PATIENCE_S, Publication, opened, withdrawn

log = structlog.get_logger(__name__)

RETRY_S = 30.0
"""Time until a view that was refused is tried again."""

OK = "ok"


@dataclass(slots=True)
class Tally:
    """What outlives sessions: the state of each view, and how many changes were written."""

    states: dict[str, str] = field(default_factory=dict)
    written: Counter[str] = field(default_factory=Counter)


class Session:
    """Brings the views of a source up to now, round by round."""

    def __init__(self, connection: Connection, source: Source, tally: Tally) -> None:
        self._connection = connection
        self._source = source
        self._tally = tally
        self._publications: dict[str, Publication] = {}
        self._refused: dict[str, float] = {}

    async def round(self) -> None:
        """Bring every view up to now, and let go of those that were dropped."""
        live = await self._source.live()
        async with asyncio.timeout(PATIENCE_S):
            there = await progress.all_of(self._connection)
        self._let_go(live)
        for view, layout in live.items():
            async with self._guarded(view) as willing:
                if willing:
                    await self._bring(layout)
                    self._tally.states[view] = OK
        for kept in there:
            async with self._guarded(kept.view) as willing:
                if willing and kept.view not in live and await self._is_dropped(kept):
                    await withdrawn(self._connection, kept)
                    log.info("a view was dropped, and its table with it", table=kept.relation)

    def _let_go(self, live: Collection[str]) -> None:
        """Forget views that are not there, but say so of those that are wanted by name."""
        for view in self._tally.states.keys() - set(live):
            self._publications.pop(view, None)
            if view not in self._source.named:
                del self._tally.states[view]
        for view in set(self._source.named) - set(live):
            self._note(view, "there is no such view, or it is still being built")

    async def standing(self) -> dict[str, Standing]:
        """Return how far views are that are published."""
        return {
            view: Standing(
                await self._source.behind(kept.layout, kept.at.spot), self._tally.written[view]
            )
            for view, kept in list(self._publications.items())
        }

    async def _bring(self, layout: Layout) -> None:
        kept = self._publications.get(layout.view)
        if kept is None or kept.layout.version != layout.version:
            if self._tally.states.setdefault(layout.view, OK) == OK:
                self._tally.states[layout.view] = "being copied"
            kept = await opened(self._connection, self._source, layout)
            self._publications[layout.view] = kept
        more = True
        while more:
            batch = await kept.step()
            self._tally.written[layout.view] += len(batch.changes)
            more = batch.more

    async def _is_dropped(self, kept: Progress) -> bool:
        """Tell whether a view that is published was dropped here, not in another database."""
        ours = await self._source.continues(kept.epoch, kept.spot.revision)
        return ours and await self._source.dropped(kept.view)

    @asynccontextmanager
    async def _guarded(self, view: str) -> AsyncIterator[bool]:
        """Yield whether it is time to try; note what hinders one view alone."""
        now = asyncio.get_running_loop().time()
        if self._refused.get(view, now) > now:
            yield False
            return
        try:
            yield True
            self._refused.pop(view, None)
        except (Forgotten, Overtaken, Superseded):
            self._publications.pop(view, None)  # the next round looks what is there now
        except (Refused, psycopg.Error) as error:
            if self._connection.broken or self._connection.closed:
                raise
            self._publications.pop(view, None)
            self._refused[view] = now + RETRY_S
            self._note(view, str(error).strip())

    def _note(self, view: str, reason: str) -> None:
        if self._tally.states.get(view) != reason:
            log.warning("a view is not published", view=view, reason=reason)
        self._tally.states[view] = reason
