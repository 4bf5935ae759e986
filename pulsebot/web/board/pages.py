"""The board's routes: addresses become topics, topics become pages."""

import asyncio
from collections.abc import Mapping
from difflib import get_close_matches

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from pulsebot.web.board import flow, overview, wording
from pulsebot.web.board.base import Subject
from pulsebot.web.board.flow import Flow
from pulsebot.web.board.gallery import Gallery, Progress
from pulsebot.web.board.hub import Hub
from pulsebot.web.board.live import Live
from pulsebot.web.board.overview import Overview, Query
from pulsebot.web.board.rendering import render
from pulsebot.web.board.roster import Roster
from pulsebot.web.board.service import Service
from pulsebot.web.board.topic import Topic

MAX_PAGES = 300
"""Pages connected at once; each costs a socket. One more is told to come back later."""

_PACKAGE = "pulsebot.web.board"


class Pages:
    """Answers requests for pages; `hub` keeps what they show."""

    def __init__(self, hub: Hub, roster: Roster, progress: Progress) -> None:
        self._hub = hub
        self._roster = roster
        self._overview = Overview()
        self._flow = Flow()
        self._gallery = Gallery(progress)

    def routes(self) -> list[BaseRoute]:
        """Return the routes of all pages, of their events, and of their static files."""
        return [
            Route("/", self.services),
            Route("/services/{name:path}", self.service),
            Route("/views", self.views),
            Route("/pipeline", self.pipeline),
            Route("/live", self.live),
            Mount("/static", StaticFiles(packages=[(_PACKAGE, "static")]), name="static"),
            Route("/{path:path}", self.nowhere),
        ]

    async def services(self, request: Request) -> Response:
        """Show all services, those that were asked for in the order asked for."""
        topic = await self._hub.look("services", self._overview)
        query = Query.of(request.query_params)
        lines = list(self._roster.lines.values())
        asked = await asyncio.to_thread(overview.asked, query, lines, topic.cells)
        values = {"page": "services", "query": query, **asked}
        return await self._page(request, topic, "services.html", values)

    async def service(self, request: Request) -> Response:
        """Show one service."""
        name = wording.named(request.path_params["name"])
        if not await self._known(name):
            return await self._missing(request, name)
        topic = await self._hub.look(f"service:{name}", Service(name))
        values = {"page": f"service:{name}", "name": name}
        return await self._page(request, topic, "service.html", values)

    async def views(self, request: Request) -> Response:
        """Show the views that people keep, a chart each."""
        topic = await self._hub.look("views", self._gallery)
        known = [name for name in topic.cells if name.startswith("view-")]
        return await self._page(request, topic, "views.html", {"page": "views", "views": known})

    async def pipeline(self, request: Request) -> Response:
        """Show how records come in and messages go out."""
        topic = await self._hub.look("pipeline", self._flow)
        values = {"page": "pipeline", "partitions": flow.rows(topic.cells)}
        return await self._page(request, topic, "pipeline.html", values)

    async def nowhere(self, request: Request) -> Response:
        """Say that there is no such page, to people with the way to those there are."""
        if "text/html" not in request.headers.get("accept", ""):
            return PlainTextResponse("there is no such page", 404)
        return await self._missing(request, "")

    async def live(self, request: Request) -> Response:
        """Stream what a page lacks of its topic."""
        address = request.query_params.get("page", "")
        subject = await self._subject(address)
        if subject is None:
            return PlainTextResponse("there is no such page", 404)
        if self._hub.watched >= MAX_PAGES or self._hub.closed.is_set():
            return PlainTextResponse("too many pages", 503, {"retry-after": "30"})
        topic = await self._hub.look(address, subject)
        mark = request.query_params.get("since", "")
        return Live(topic, mark, self._hub.closed)

    async def _subject(self, address: str) -> Subject | None:
        kind, _, name = address.partition(":")
        if kind == "service":
            return Service(name) if await self._known(name) else None
        fixed: dict[str, Subject] = {
            "services": self._overview,
            "views": self._gallery,
            "pipeline": self._flow,
        }
        return fixed.get(address)

    async def _known(self, service: str) -> bool:
        if service not in self._roster.lines:
            await self._hub.look("services", self._overview)
        return service in self._roster.lines

    async def _missing(self, request: Request, name: str) -> Response:
        topic = await self._hub.look("services", self._overview)
        close = get_close_matches(name, self._roster.lines, n=3, cutoff=0.5)
        values = {"page": "", "name": name, "close": close}
        answer = await self._page(request, topic, "missing.html", values)
        answer.status_code = 404
        return answer

    async def _page(
        self, request: Request, topic: Topic, template: str, values: Mapping[str, object]
    ) -> Response:
        common = {
            "cells": topic.cells,
            "mark": topic.mark,
            "now_ms": topic.at_ms,
            "zone": self._roster.zone,
            "wall": "wall" in request.query_params,
        }
        html = await asyncio.to_thread(render, template, {**common, **values})
        return HTMLResponse(html, headers={"cache-control": "no-store"})
