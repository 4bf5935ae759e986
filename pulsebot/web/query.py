"""Queries over HTTP: a SELECT is answered as JSON or CSV, changes as server-sent events.

`POST /api/v1/query` takes the SELECT as text, or as JSON: `{"sql": "…"}`. `GET
/api/v1/views/NAME/changes` follows a view; `since` (or `Last-Event-ID`, which browsers send by
themselves) goes on where an earlier connection ended. Nothing here changes anything.
"""

import asyncio
import uuid
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pulsebot.errors import InvalidInput
from pulsebot.materialize.answer import Answer, Changes
from pulsebot.materialize.desk import Desk
from pulsebot.materialize.export import csv_lines, records
from pulsebot.materialize.pull import TooMany
from pulsebot.materialize.push import Since
from pulsebot.store.viewtables import quoted
from pulsebot.views.dialect import parse_one
from pulsebot.views.place import InvalidSql
from pulsebot.views.statement import Query
from pulsebot.web.eventstream import EventStream, event
from pulsebot.web.problem import ProblemResponse
from pulsebot.web.queryforms import CHANGES, QUERY, Rows, Select

log = structlog.get_logger(__name__)

_WHOLE_NAME = CHANGES.replace("{name}", "{name:path}")  # a slash is a part of it

MAX_BODY = 128 * 1024
"""Bytes of a request; the longest text of SQL is far shorter."""

CSV = "text/csv"


class Queries:
    """Answers SELECTs; `closed` ends all that are still being answered."""

    def __init__(self, desk: Desk, closed: asyncio.Event) -> None:
        self._desk = desk
        self._closed = closed

    def routes(self) -> list[BaseRoute]:
        """Return the two routes; they go before those of the API."""
        return [
            Route(QUERY, _told(self._query), methods=["POST"]),
            Route(_WHOLE_NAME, _told(self._changes), methods=["GET"]),
        ]

    async def _query(self, request: Request) -> Response:
        query = _select(await _sql(request))
        if query.emit == "CHANGES":
            return await self._follow(query, None, present=False)
        answer = await self._desk.ask(query)
        if CSV in request.headers.get("accept", ""):
            return Response(csv_lines(answer.rows, answer.columns), media_type=CSV)
        return Response(_json(answer), media_type="application/json")

    async def _changes(self, request: Request) -> Response:
        name, asked = request.path_params["name"], request.query_params
        since = asked.get("since") or request.headers.get("last-event-id")
        place = Since.parse(since) if since else None
        present = asked.get("present", "") in {"1", "true", "yes"}
        query = _select(f"SELECT * FROM {quoted(name)} EMIT CHANGES")  # noqa: S608 - our own SQL
        try:
            await self._desk.relation_of(query)
        except InvalidSql as error:
            return ProblemResponse(404, error.message, "name")
        return await self._follow(query, place, present=present)

    async def _follow(self, query: Query, since: Since | None, *, present: bool) -> Response:
        told = self._desk.lookout.follow(query, since, present=present)
        first = await anext(told)  # what is wrong with it shows here
        return EventStream(_events(first, told), self._closed)


async def _events(
    first: Changes, told: AsyncGenerator[Changes, None]
) -> AsyncGenerator[bytes, None]:
    """Yield changes as events; the last one says why there are no more."""
    try:
        yield event("reset" if first.reset else "begin", {"columns": first.columns}, first.since)
        async for changes in told:
            if changes.reset:
                yield event("reset", {"columns": changes.columns}, changes.since)
                continue
            data: dict[str, Any] = {"rows": list(records(changes.rows, changes.columns))}
            if changes.missed:
                data["missed"] = changes.missed
            yield event("changes", data, changes.since)
        yield event("end", {"detail": "that was all"})
    except InvalidInput as error:
        yield event("end", {"detail": str(error)})
    finally:
        await told.aclose()


def _select(text: str) -> Query:
    statement = parse_one(text)
    if not isinstance(statement, Query):
        raise InvalidInput("only SELECT is answered here; `pulsebot sql` carries out the rest")
    return statement


async def _sql(request: Request) -> str:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise InvalidInput(f"more than {MAX_BODY:,} bytes")
    try:
        if request.headers.get("content-type", "").startswith("application/json"):
            return msgspec.json.decode(bytes(body), type=Select).sql
        return body.decode()
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise InvalidInput(
            'send the SELECT as UTF-8 text, or as JSON: {"sql": "SELECT …"}'
        ) from None


def _json(answer: Answer) -> bytes:
    rows = list(records(answer.rows, answer.columns))
    return msgspec.json.encode(Rows(answer.columns, rows, answer.cut or None))


def _told(answer: Any) -> Any:  # noqa: ANN401 - wraps what starlette calls
    """Return a handler whose faults become problems."""

    async def told(request: Request) -> Response:
        try:
            response: Response = await answer(request)
        except TooMany as error:
            busy = ProblemResponse(503, str(error))
            busy.headers["retry-after"] = "1"
            return busy
        except InvalidInput as error:
            return ProblemResponse(422, str(error), "sql")
        except ClientDisconnect:
            return Response(status_code=499)
        except Exception:
            reference = uuid.uuid4().hex[:8]
            log.exception("a query over HTTP failed", reference=reference)
            return ProblemResponse(500, f"the details are in the bot's log under {reference}")
        return response

    return told
