"""Queries over HTTP, by a real client of a bot that runs."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
import pytest

from pulsebot import event as events
from pulsebot.app import App
from pulsebot.event import TriggerData
from pulsebot.settings import Web
from tests.materialize.site import PER_DAY, consumed, running, send, site
from tests.patience import PATIENCE_S

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
EVIL = '=1+1"<script>\x1b[2J\r\nX: y'
TOTAL = "CREATE TABLE PER_DAY AS SELECT COUNT(*) FROM SERVICE_TRIGGER"
ASK = "SELECT COUNT FROM PER_DAY"
QUERY = "/api/v1/query"
CHANGES = "/api/v1/views/PER_DAY/changes"


class Stand(NamedTuple):
    """A bot with two services triggered, and a client of it."""

    bot: App
    http: httpx.AsyncClient

    async def happen(self, service: str, count: int) -> None:
        """Let a service be triggered."""
        before = self.bot.pipeline.intake.totals.records
        sent = events.trigger(service, NOON, TriggerData(count=count))
        await send(self.bot.settings, sent)
        await consumed(self.bot, before + 1)


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    """Give a bot that serves HTTP on a free port."""
    settings = site(tmp_path, Web(listen="127.0.0.1:0"))
    await send(
        settings,
        events.trigger("svc-a", NOON, TriggerData(count=3)),
        events.trigger(EVIL, NOON),
    )
    async with running(settings) as bot:
        await consumed(bot, 2)
        await bot.desk.execute(PER_DAY)
        await bot.desk.builder.built()
        assert bot.address
        async with httpx.AsyncClient(
            base_url=bot.address, timeout=PATIENCE_S, trust_env=False
        ) as http:
            yield Stand(bot, http)


class Events:
    """The events of one connection, one after the other."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()
        self.id = ""

    async def next(self) -> tuple[str, Any]:
        """Wait for an event; return its kind and data."""
        kind = ""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                name, _, value = (await anext(self._lines)).partition(": ")
                if name == "id":
                    self.id = value
                elif name == "event":
                    kind = value
                elif name == "data":
                    return kind, json.loads(value)

    async def rows(self) -> list[dict[str, Any]]:
        """Wait for an event that has rows; return them."""
        while True:
            kind, data = await self.next()
            if kind == "changes" and data["rows"]:
                rows: list[dict[str, Any]] = data["rows"]
                return rows


async def test_a_query_is_answered_as_json_or_csv(stand: Stand) -> None:
    """Text or JSON asks; names of services stay what they are, but for formulas in CSV."""
    sql = "SELECT SERVICE_ID, COUNT FROM PER_DAY ORDER BY COUNT"
    for asked in ({"content": sql}, {"json": {"sql": sql}}):
        told = await stand.http.post(QUERY, **asked)  # type: ignore[arg-type]
        assert told.json() == {
            "columns": ["SERVICE_ID", "COUNT"],
            "rows": [{"SERVICE_ID": EVIL, "COUNT": 1}, {"SERVICE_ID": "svc-a", "COUNT": 3}],
            "cut": None,
        }
        assert told.headers["x-content-type-options"] == "nosniff"
    told = await stand.http.post(QUERY, content=sql, headers={"accept": "text/csv"})
    assert told.headers["content-type"].startswith("text/csv")
    header, evil, good = csv.reader(io.StringIO(told.text))
    assert (header, good) == (["SERVICE_ID", "COUNT"], ["svc-a", "3"])
    assert evil[0].startswith("'=1+1")
    assert "\x1b" not in told.text


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"SELECT X FROM PER_DAY", "line 1, column 8: PER_DAY has no column X"),
        (b"SELECT * FROM outbox", "there is no view OUTBOX"),
        (b"DROP TABLE PER_DAY", "only SELECT is answered here"),
        (b"SELECT COUNT FROM PER_DAY; DROP TABLE PER_DAY", "expected one statement"),
        (b"", "expected one of CREATE, SELECT"),
        (b"\xff", "UTF-8"),
        (b"x" * 200_000, "more than 131,072 bytes"),
    ],
)
async def test_what_is_no_query_is_a_problem(stand: Stand, body: bytes, said: str) -> None:
    """422 with words and the place; nothing was changed."""
    told = await stand.http.post(QUERY, content=body)
    assert told.status_code == 422
    assert told.headers["content-type"] == "application/problem+json"
    assert said in told.json()["detail"]
    assert (await stand.http.post(QUERY, content="SELECT COUNT FROM PER_DAY")).is_success


async def test_changes_are_streamed_and_go_on(stand: Stand) -> None:
    """Present rows, then changes; after a break those since the last event, each once."""
    async with stand.http.stream("GET", CHANGES, params={"present": "1"}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        told = Events(response)
        kind, data = await told.next()
        assert (kind, data["columns"][-1]) == ("begin", "CHANGE")
        assert {row["SERVICE_ID"] for row in await told.rows()} == {"svc-a", EVIL}
        await stand.happen("svc-a", 2)
        [row] = await told.rows()
        assert (row["SERVICE_ID"], row["COUNT"], row["CHANGE"]) == ("svc-a", 5, "set")
        while (await told.next())[1]["rows"]:
            pass
        last = told.id
    await stand.happen("svc-a", 2)
    await stand.happen("svc-a", 3)
    async with stand.http.stream("GET", CHANGES, headers={"last-event-id": last}) as response:
        [row] = await Events(response).rows()
        assert row["COUNT"] == 10


async def test_a_followed_query_ends_with_the_reason(stand: Stand) -> None:
    """A filter of the reader's own; when the view goes, the last event says so."""
    sql = "SELECT COUNT FROM PER_DAY WHERE SERVICE_ID = 'svc-b' EMIT CHANGES"
    async with stand.http.stream("POST", QUERY, content=sql) as response:
        told = Events(response)
        await told.next()
        await stand.happen("svc-a", 2)
        await stand.happen("svc-b", 7)
        assert await told.rows() == [{"COUNT": 7, "CHANGE": "set"}]
        await stand.bot.desk.execute("DROP TABLE PER_DAY")
        while (event := await told.next())[0] == "changes":
            pass
        assert event == ("end", {"detail": "PER_DAY was dropped"})
    missing = await stand.http.get(CHANGES)
    assert missing.status_code == 404
    wrong = await stand.http.get("/api/v1/views/PER_DAY/changes", params={"since": "x"})
    assert wrong.status_code == 422


async def test_a_view_may_be_called_anything(stand: Stand) -> None:
    """Quotes, slashes and markup in the name of a view are a part of its name."""
    name = 'a"/b; DROP TABLE PER_DAY; <script>'
    written = '"' + name.replace('"', '""') + '"'
    create = TOTAL.replace("PER_DAY", written)
    await stand.bot.desk.execute(create)
    await stand.bot.desk.builder.built()
    address = f"/api/v1/views/{quote(name, safe='')}"
    assert (await stand.http.get(f"{address}/rows")).json()["rows"] == [{"COUNT": 4}]
    async with stand.http.stream("GET", f"{address}/changes?present=1") as response:
        assert await Events(response).rows() == [{"COUNT": 4, "CHANGE": "set"}]
    asked = await stand.http.post(QUERY, json={"sql": ASK.replace("PER_DAY", written)})
    assert asked.json()["rows"] == [{"COUNT": 4}]


async def test_readers_who_leave_or_stall_leave_nothing_behind(stand: Stand) -> None:
    """Whoever hangs up follows no longer, and a bot stops while somebody still follows."""
    async with stand.http.stream("GET", CHANGES) as response:
        await Events(response).next()
        assert stand.bot.desk.lookout.followers == 1
    async with asyncio.timeout(PATIENCE_S):
        while stand.bot.desk.lookout.followers:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.02)
    reader, writer = await asyncio.open_connection(*_place(stand.bot))
    writer.write(f"GET {CHANGES} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    assert b"200 OK" in await reader.readline()
    for _ in range(20):
        await stand.happen("svc-a", 1)
    writer.close()


def _place(bot: App) -> tuple[str, int]:
    url = httpx.URL(bot.address or "")
    return url.host, url.port or 0
