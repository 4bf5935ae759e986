"""The lookout: people follow views and watch streams from here, a bounded number at once."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from pulsebot.materialize import relation as relations
from pulsebot.materialize.answer import Changes
from pulsebot.materialize.describing import known_to
from pulsebot.materialize.news import News
from pulsebot.materialize.pull import TooMany
from pulsebot.materialize.push import Follower, Since
from pulsebot.materialize.selection import following, reads
from pulsebot.materialize.tail import Tails
from pulsebot.store.database import Database
from pulsebot.views.place import InvalidSql, nearest
from pulsebot.views.source import Source
from pulsebot.views.statement import Query
from pulsebot.views.streamplan import stream_source

FOLLOWERS = 64
"""Followers and watchers at once; each takes a thread for a moment after a change."""

PAUSE_S = 0.1
"""Time between two looks at a stream; what comes in meanwhile is told together."""


class Lookout:
    """Answers `EMIT CHANGES` for a bot that runs; `news` rings after its transactions."""

    def __init__(self, database: Database, news: News, tails: Tails) -> None:
        self._database = database
        self._news = news
        self._tails = tails
        self.followers = 0
        """How many follow or watch now."""

    async def follow(
        self, query: Query, since: Since | None = None, *, present: bool = False
    ) -> AsyncGenerator[Changes, None]:
        """Tell rows of a view as they change, or events of a stream as they come in.

        From now on, or `since` an earlier look; `present` tells all rows of a view first.
        Raises InvalidInput where it cannot be told, or not any longer.
        """
        if self.followers >= FOLLOWERS:
            raise TooMany(f"{FOLLOWERS} are following already; close one of them")
        self.followers += 1
        try:
            limit = _limit(query)
            async with aclosing(await self._told(query, since, present=present)) as told:
                async for changes in told:
                    if limit is None:
                        yield changes
                        continue
                    yield replace(changes, rows=changes.rows[:limit])
                    limit -= len(changes.rows)
                    if limit <= 0:
                        return
        finally:
            self.followers -= 1

    async def _told(
        self, query: Query, since: Since | None, *, present: bool
    ) -> AsyncGenerator[Changes, None]:
        name, table = reads(query)
        if found := await self._database.read(relations.relation, name):
            follower = Follower(self._database, self._news, following(query, found))
            return follower.run(since, present=present)
        sources = (await self._database.read(known_to)).sources
        if name not in sources:
            views = await self._database.read(relations.names)
            raise InvalidSql(
                f"there is no view or stream {name}{nearest(name, [*views, *sources])}",
                query.place(table),
            )
        if sources[name].topic is not None:
            raise InvalidSql(
                f"{name} cannot be watched; create a table over it and follow that",
                query.place(table),
            )
        select = query.select.copy()
        select.set("limit", None)
        return self._watch(stream_source("", replace(query, select=select, emit=None), sources))

    async def _watch(self, source: Source) -> AsyncGenerator[Changes, None]:
        tail = self._tails.watch(source)
        columns = tuple(source.columns)
        try:
            yield Changes(columns)
            while True:
                bell = tail.news.next()
                seen = await asyncio.to_thread(tail.take)
                if seen.rows or seen.missed:
                    yield Changes(columns, seen.rows, missed=seen.missed)
                await bell.wait()
                await asyncio.sleep(PAUSE_S)
        finally:
            self._tails.leave(tail)


def _limit(query: Query) -> int | None:
    limit = query.select.args.get("limit")
    return int(limit.expression.this) if limit and limit.expression.is_int else None
