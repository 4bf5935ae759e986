"""Serves the endpoints: an address becomes a question, an answer becomes JSON.

It must not know who may ask; the guard before it does.
"""

import asyncio
import uuid
from collections.abc import Callable

import msgspec
import structlog
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from pulsebot.civil import zone_of
from pulsebot.commands.base import Question, fine_since_ms
from pulsebot.errors import InvalidInput
from pulsebot.settings import Settings
from pulsebot.store.database import ReadOnly
from pulsebot.web.api.base import Endpoint, NotHere, Parameters, Unusable
from pulsebot.web.api.openapi import BASE, Part, document
from pulsebot.web.api.parameters import match, read, split
from pulsebot.web.api.reading import TookTooLong, encoded
from pulsebot.web.api.table import ENDPOINTS
from pulsebot.web.problem import ProblemResponse
from pulsebot.web.routing import Below

log = structlog.get_logger(__name__)

MAX_WAITING = 64
"""Questions that wait for their turn; one more is told to come back later."""

OPENAPI = "openapi.json"


class Api:
    """Answers below /api/, one question at a time: chats and pages need readers too.

    `behind` tells how many records are not consumed yet. `others` are answered by routes
    before this one's; the document tells of them too.
    """

    def __init__(
        self,
        database: ReadOnly,
        settings: Settings,
        others: Part,
        *,
        now_ms: Callable[[], int],
        behind: Callable[[], int],
    ) -> None:
        self._database = database
        self._zone = zone_of(settings.timezone)
        self._minute_days = settings.retention.minute_counts
        self._now_ms = now_ms
        self._behind = behind
        self._turn = asyncio.Semaphore(1)
        self._waiting = 0
        self._document = msgspec.json.encode(document(ENDPOINTS, others))
        self._others = others

    def routes(self) -> list[BaseRoute]:
        """Return the one route of the API."""
        return [Below("/api/", self)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Never raises: what goes wrong becomes a problem with an id."""
        try:
            answer = await self._answer(scope)
        except NotHere as error:
            answer = ProblemResponse(404, str(error), error.parameter)
        except Unusable as error:
            answer = ProblemResponse(422, f"`{error.parameter}`: {error}", error.parameter)
        except TookTooLong as error:
            answer = ProblemResponse(503, str(error))
        except Exception:
            reference = uuid.uuid4().hex[:8]
            log.exception("a question to the API failed", reference=reference)
            answer = ProblemResponse(500, f"the details are in the bot's log under {reference}")
        await answer(scope, receive, send)

    async def _answer(self, scope: Scope) -> Response:
        parts = split(scope["raw_path"])
        if parts is None:
            return ProblemResponse(400, "the path is not UTF-8 in percent escapes")
        if parts[:2] != BASE.split("/")[1:]:
            return ProblemResponse(404, f"there is only {BASE}/; see {BASE}/{OPENAPI}")
        parts = parts[2:]
        methods = self._methods(parts)
        if methods and scope["method"] not in methods:
            refused = ProblemResponse(405, f"ask this by {' or '.join(methods)}")
            refused.headers["allow"] = ", ".join(methods)
            return refused
        if parts == [OPENAPI]:
            return Response(self._document, media_type="application/json")
        if (found := _find(parts)) is None:
            return ProblemResponse(404, f"there is no such resource; see {BASE}/{OPENAPI}")
        endpoint, named = found
        return await self._ask(endpoint, read(endpoint.parameters, named, scope["query_string"]))

    def _methods(self, parts: list[str]) -> tuple[str, ...]:
        """Return how a path may be asked; empty where there is none such."""
        if parts == [OPENAPI] or _find(parts):
            return ("GET", "HEAD")
        for path, operations in self._others.paths.items():
            template = path.removeprefix(f"{BASE}/").split("/")
            if match(template, parts) is not None:
                return tuple(method.upper() for method in operations)
        return ()

    async def _ask(self, endpoint: Endpoint, asked: Parameters) -> Response:
        question = self._question(asked)
        if self._waiting >= MAX_WAITING:
            busy = ProblemResponse(503, "too many questions at once; ask again in a second")
            busy.headers["retry-after"] = "1"
            return busy
        self._waiting += 1
        try:
            async with self._turn:
                body = await self._database.read(encoded, endpoint, question, asked)
        finally:
            self._waiting -= 1
        return Response(body, media_type="application/json")

    def _question(self, asked: Parameters) -> Question:
        now_ms = self._now_ms()
        try:
            zone = self._zone if asked.zone is None else zone_of(asked.zone)
        except InvalidInput as error:
            raise Unusable("zone", str(error)) from None
        fine_ms = fine_since_ms(now_ms, self._minute_days)
        return Question((), now_ms, zone, behind=self._behind(), fine_since_ms=fine_ms)


def _find(parts: list[str]) -> tuple[Endpoint, dict[str, str]] | None:
    for endpoint in ENDPOINTS:
        named = match(endpoint.segments, parts)
        if named is not None:
            return endpoint, named
    return None
