"""The API of a running bot: its answers are those of the commands, and its document is true."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import httpx
import hypothesis
import pytest
import requests
import schemathesis
from schemathesis.checks import CheckFunction
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks

from pulsebot import app
from pulsebot import event as events
from pulsebot.app import App
from pulsebot.commands.base import Question
from pulsebot.event import CrashData, Event, MessageData, State, StatusData, TriggerData, encode
from pulsebot.ruleset import load_rules
from pulsebot.settings import Settings, Web, Webhook
from pulsebot.store.database import Connection, ReadOnly
from pulsebot.stream.base import Outgoing
from pulsebot.stream.config import LocalStream
from pulsebot.stream.open import open_writer
from pulsebot.web import queryforms
from pulsebot.web.api.base import AsOf, Endpoint, Parameters, as_of
from pulsebot.web.api.reading import TookTooLong, encoded
from pulsebot.web.api.serving import MAX_WAITING, Api
from tests.fakes.webhook import FakeReceiver
from tests.fakes.world import world

HOSTILE = (
    "a/b", "a/triggers", "..", ".", "50%25", "ünï ☃", "<script>alert(1)</script>", "two\nlines",
    "~tilde", "a?b#c&d=e", " ", "'; DROP TABLE service; --", "../../etc/passwd", "\u202eevil",
)  # fmt: skip
RULES = """
version: 1
rules:
  - id: crashed
    when: {kind: crash, service: svc-a}
    condition: {type: threshold, count: 2, within: 1h, by: [service]}
    severity: critical
    text: "{service} crashed {count} times"
  - id: quiet
    when: {kind: crash, service: svc-b}
    condition: {type: threshold, count: 1, within: 1h, by: [service]}
    severity: warning
    text: "{service} crashed"
routes:
  - {match: {severity: critical}, to: ["webhook:pager"], then: stop}
"""
VIEWS = """
CREATE TABLE TRIGGER_PER_DAY AS
SELECT SERVICE_ID, COUNT(*) FROM SERVICE_TRIGGER WINDOW TUMBLING (SIZE 1 DAY) GROUP BY SERVICE_ID;
CREATE TABLE CRASHES AS SELECT COUNT(*) FROM SERVICE_CRASH;
"""

MISTAKES: tuple[tuple[str, dict[str, Any], int, str | None, str], ...] = (
    ("/services/svc-c", {}, 404, "service", "did you mean svc-b or svc-a"),
    ("/alerts", {"service": "svc-c"}, 404, "service", "did you mean"),
    ("/services/svc-a/triggers", {"window": "tody"}, 422, "window", "Did you mean today"),
    ("/services/svc-a/triggers", {"window": ""}, 422, "window", "For example: today"),
    ("/unstable", {"zone": "Berlin"}, 422, "zone", "did you mean Europe/Berlin"),
    ("/unstable", {"widow": "7d"}, 422, "widow", "did you mean window?"),
    ("/unstable", {"limit": "0"}, 422, "limit", "a whole number from 1 to 10,000"),
    ("/unstable", {"limit": "ten"}, 422, "limit", "a whole number from 1 to 10,000"),
    ("/unstable", {"window": "7d" * 100}, 422, "window", "may have 100 characters at most"),
    ("/unstable", {"window": ["1d", "2d"]}, 422, "window", "give it once"),
    ("/unstable", {"window": "7" * 9000}, 422, "query", "longer than 8,192 bytes"),
    ("/alerts", {"state": "fired"}, 422, "state", "must be firing, pending or resolved"),
    ("/views/TRIGGER_PER_DAI", {}, 404, "name", "did you mean TRIGGER_PER_DAY?"),
    ("/views/SERVICE_CRASH/rows", {}, 404, "name", "there is no view"),
    ("/views/CRASHES/rows", {"window": "today"}, 422, "window", "has no windows"),
    ("/service", {}, 404, None, "see /api/v1/openapi.json"),
    ("/services/", {}, 422, "service", "1 to 1,020 characters"),
)
"""By path and query: the status, the parameter to blame, and a part of the mend."""


@dataclass(frozen=True, slots=True)
class Site:
    """A running bot with a past of an hour."""

    bot: App
    client: httpx.AsyncClient

    async def get(self, path: str, **query: Any) -> Any:
        """Ask a resource; the answer has to be a good one."""
        answer = await self.client.get(f"/api/v1{path}", params=query)
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        return answer.json()

    async def refused(self, path: str, **query: Any) -> tuple[int, str, str | None]:
        """Ask what cannot be answered; return the status, the detail and whom it blames."""
        answer = await self.client.get(f"/api/v1{path}", params=query)
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["status"] == answer.status_code
        return answer.status_code, problem["detail"], problem.get("parameter")


def past() -> list[Event]:
    """Return what happened within the last hour."""
    now = datetime.now(UTC)
    earlier = now - timedelta(minutes=30)
    told = [
        events.trigger("svc-a", earlier, TriggerData(count=3, tags={"env": "prod"})),
        events.trigger("svc-a", now - timedelta(hours=25), TriggerData(count=2)),
        events.status("svc-a", earlier, StatusData(state=State.UP), instance="a-1"),
        events.status("svc-a", now, StatusData(state=State.DOWN, reason="no disk"), instance="a-1"),
        events.status("svc-a", now, StatusData(state=State.UP, cpu=5.0), instance="a-2"),
        events.status("svc-b", now, StatusData(state=State.UP)),
        events.message("svc-a", earlier, MessageData(text="<b>low</b>", level="warning")),
        events.message("svc-a", now - timedelta(days=8), MessageData(text="long ago")),
        events.crash("svc-a", earlier, CrashData(error="KeyError", stack="Traceback: x")),
        events.crash("svc-a", now, CrashData(error="KeyError", stack="Traceback: y")),
        events.crash("svc-b", now, CrashData(error="OSError")),
    ]
    return told + [events.trigger(name, earlier, TriggerData()) for name in HOSTILE]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """Run the whole app on a log with a past, until all of it is told."""
    (tmp_path / "rules.yaml").write_text(RULES)
    (tmp_path / "views.sql").write_text(VIEWS)
    async with FakeReceiver() as pager:
        settings = Settings(
            stream=LocalStream(path=tmp_path / "log.db"),
            database=tmp_path / "bot.db",
            timezone="Europe/Berlin",
            web=Web(listen="127.0.0.1:0"),
            webhooks={"pager": Webhook(url=pager.url)},
        )
        told = past()
        async with open_writer(settings.stream) as writer:
            await writer.append(
                [
                    Outgoing(f"pulse.{event.kind.value}", event.service, encode(event))
                    for event in told
                ]
            )
        ruleset = load_rules([tmp_path], chats={"webhook": None})
        async with app.opened(settings, ruleset) as bot:
            running = asyncio.create_task(app.run(bot))
            async with asyncio.timeout(60):
                while bot.pipeline.intake.totals.events < len(told) or not pager.received:  # noqa: ASYNC110 - the state of another task
                    await asyncio.sleep(0.01)
                await bot.delivery.idle()
                await bot.desk.builder.built()
            async with httpx.AsyncClient(base_url=bot.address or "", trust_env=False) as client:
                yield Site(bot, client)
            bot.stop.set()
            await running


async def test_services_stand_in_the_order_of_trouble(site: Site) -> None:
    """The worst first, those that told no status last, each with its tags and alerts."""
    told = await site.get("/services")
    assert told["total"] == len(told["services"]) == 2 + len(HOSTILE)
    first, second, *silent = told["services"]
    assert (first["service"], first["state"], first["up"], first["instances"]) == (
        "svc-a", "down", 1, 2
    )  # fmt: skip
    assert (first["tags"], first["alerts"]) == ({"env": "prod"}, ["critical"])
    assert (second["service"], second["state"], second["stale"]) == ("svc-b", "up", False)
    assert {(line["state"], line["since"]) for line in silent} == {(None, None)}
    assert len((await site.get("/services", limit=1))["services"]) == 1
    assert told["as_of"]["behind"] == 0


async def test_one_service_tells_its_instances_its_day_and_its_changes(site: Site) -> None:
    """What /status says of one, in any case of its name."""
    told = await site.get("/services/SVC-A", zone="Asia/Kathmandu")
    assert (told["service"], told["state"]) == ("svc-a", "down")
    assert [i["instance"] for i in told["instances"]] == ["a-1", "a-2"]
    assert told["instances"][0]["reason"] == "no disk"
    assert told["instances"][0]["since"].endswith("+05:45")
    assert told["today"]["window"]["zone"] == "Asia/Kathmandu"
    assert told["last_message"]["text"] == "<b>low</b>"
    assert told["changes"][0]["state"] == "down"
    assert told["clamped"] == 0


async def test_triggers_carry_their_window_and_what_was_before(site: Site) -> None:
    """The count, the pieces that add up to it, and the same hours a day before."""
    told = await site.get("/services/svc-a/triggers", window="2h")
    assert (told["count"], told["before"], told["days_before"], told["by"]) == (3, 2, 1, "hour")
    assert sum(piece["count"] for piece in told["pieces"]) == 3
    window = told["window"]
    assert (window["zone"], window["label"]) == ("Europe/Berlin", "in the last 2h")
    since, until = (datetime.fromisoformat(window[edge]) for edge in ("since", "until"))
    assert until - since == timedelta(hours=2)
    assert until.utcoffset() in {timedelta(hours=1), timedelta(hours=2)}


async def test_crashes_are_grouped_by_what_they_are(site: Site) -> None:
    """Of all services the count alone; of one its groups with the latest stack."""
    every = await site.get("/crashes", window="2h")
    assert (every["count"], every["total"]) == (3, 2)
    assert every["services"][0] == {"service": "svc-a", "count": 2}
    (group,) = (await site.get("/services/svc-a/crashes", window="2h"))["groups"]
    assert (group["error"], group["count"], group["stack"]) == ("KeyError", 2, "Traceback: y")
    ranked = await site.get("/unstable", window="2h")
    assert ranked["services"][0] == {
        "service": "svc-a", "crashes": 2, "restarts": 0, "changes": 1,
    }  # fmt: skip


async def test_messages_are_those_of_the_window(site: Site) -> None:
    """What was said before the window is left out, until the window is wider."""
    told = await site.get("/services/svc-a/messages")
    assert [message["text"] for message in told["messages"]] == ["<b>low</b>"]
    told = await site.get("/services/svc-a/messages", window="10d")
    assert [message["text"] for message in told["messages"]] == ["<b>low</b>", "long ago"]


async def test_alerts_say_who_was_told_and_why_nobody_was(site: Site) -> None:
    """One alert went to the pager; the other was kept back, with the reason."""
    told = await site.get("/alerts", state="firing", window="2h")
    by_rule = {alert["rule"]: alert for alert in told["alerts"]}
    assert by_rule.keys() == {"crashed", "quiet"}
    (decided,) = by_rule["crashed"]["decisions"]
    assert (decided["transition"], decided["told"]) == ("fired", True)
    (sent,) = decided["receivers"]
    assert (sent["receiver"], sent["state"], sent["error"]) == ("webhook:pager", "sent", None)
    (kept,) = by_rule["quiet"]["decisions"]
    assert (kept["told"], kept["receivers"]) == (False, [])
    assert "route" in kept["reason"]
    alone = await site.get(f"/alerts/{by_rule['quiet']['id']}")
    assert alone["alert"] == by_rule["quiet"]
    assert (await site.get("/alerts", service="svc-b"))["alerts"] == [by_rule["quiet"]]
    assert (await site.get("/alerts", state="resolved"))["alerts"] == []
    assert (await site.refused("/alerts/none"))[0] == 404


async def test_a_mistake_is_told_with_the_parameter_and_the_mend(site: Site) -> None:
    """Each mistake is a problem that a person can mend, and a program can tell apart."""
    for path, query, status, parameter, mend in MISTAKES:
        told = await site.refused(path, **query)
        assert (told[0], told[2]) == (status, parameter), path
        assert mend in told[1]


async def test_a_name_of_a_service_may_hold_anything(site: Site) -> None:
    """Slashes, dots, line breaks, percent signs and signs of other languages find their way."""
    for name in HOSTILE:
        part = quote(name, safe="")
        if name in {".", ".."}:  # a client resolves these away, however they are written
            part = "~" + base64.urlsafe_b64encode(name.encode()).decode()
        told = await site.get(f"/services/{part}/triggers", window="2h")
        assert (told["service"], told["count"]) == (name, 1)
    assert {line["service"] for line in (await site.get("/services"))["services"]} > set(HOSTILE)


async def test_views_tell_what_they_are(site: Site) -> None:
    """Columns, windows, zone, file, and since when they are complete."""
    crashes, per_day = (await site.get("/views"))["views"]
    assert (crashes["name"], crashes["windows"], crashes["state"]) == ("CRASHES", None, "live")
    assert (await site.get("/views/trigger_per_day"))["view"] == per_day
    assert (per_day["windows"], per_day["zone"]) == ("TUMBLING 1 DAY", "Europe/Berlin")
    assert (per_day["building"], per_day["complete_since"]) == (None, None)
    assert per_day["columns"] == [
        {"name": "SERVICE_ID", "type": "STRING", "key": True},
        {"name": "COUNT", "type": "BIGINT", "key": False},
    ]
    assert per_day["file"].endswith("views.sql")


async def test_rows_of_a_view_by_key_and_window(site: Site) -> None:
    """The newest windows first, no more than asked for, and whether there are more."""
    rows = "/views/TRIGGER_PER_DAY/rows"
    told = await site.get(rows, key="svc-a")
    assert sum(row["COUNT"] for row in told["rows"]) == 5
    starts = [row["WINDOWSTART"] for row in told["rows"]]
    assert starts == sorted(starts, reverse=True)
    told = await site.get(rows, window="2h", limit=1)
    assert (len(told["rows"]), told["more"]) == (1, True)
    every = await site.get(rows, window="2h")
    assert {row["SERVICE_ID"] for row in every["rows"]} == {"svc-a", *HOSTILE}
    assert (await site.get(rows, key="nobody"))["rows"] == []
    assert (await site.get("/views/CRASHES/rows"))["rows"] == [{"COUNT": 3}]


async def test_the_api_only_reads(site: Site) -> None:
    """Any method but GET is refused with those there are; a path of no text is told."""
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = await site.client.request(method, "/api/v1/services")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    head = await site.client.head("/api/v1/services")
    assert (head.status_code, head.content) == (200, b"")
    assert (await site.client.get("/api/v1/services/%ff")).status_code == 400
    asked = await site.client.get("/api/v1/query")
    assert (asked.status_code, asked.headers["allow"]) == (405, "POST")


class Stalled(ReadOnly):
    """A store that answers nothing until it may, and then fails once."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.may = asyncio.Event()
        self._faults = [OSError("a secret of the disk")]

    async def read(self, *_: Any, **__: Any) -> Any:
        """Wait, then fail or answer."""
        await self.may.wait()
        if self._faults:
            raise self._faults.pop()
        return b"{}"


async def test_too_many_questions_are_told_to_come_back_and_faults_keep_their_secrets(
    tmp_path: Path,
) -> None:
    """Beyond those that wait nobody is kept; a fault is an id, with the details in the log."""
    store = Stalled(tmp_path / "none.db")
    api = Api(store, Settings(), queryforms.part(), now_ms=lambda: 0, behind=lambda: 0)
    transport = httpx.ASGITransport(api)
    async with httpx.AsyncClient(transport=transport, base_url="http://bot") as client:
        asked = [asyncio.create_task(client.get("/api/v1/alerts")) for _ in range(MAX_WAITING + 1)]
        (refused,), _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        assert refused.result().status_code == 503
        assert refused.result().headers["retry-after"] == "1"
        store.may.set()
        answers = {answer.status_code: answer for answer in await asyncio.gather(*asked)}
    assert answers.keys() == {200, 500, 503}
    assert "the bot's log under" in answers[500].json()["detail"]
    assert "secret" not in answers[500].text


def test_a_question_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    """The reader's thread is free for the next one; its connection is as it was."""

    def endless(connection: Connection, question: Question, asked: Parameters) -> AsOf:
        del asked
        connection.execute(
            "WITH RECURSIVE more(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM more)"
            " SELECT count(*) FROM more"
        ).fetchone()
        return as_of(question)

    question = Question((), 0, ZoneInfo("UTC"))
    with world(tmp_path / "bot.db") as past:
        with pytest.raises(TookTooLong, match=r"more than 0\.05 s; ask for less"):
            encoded(past.connection, Endpoint("/x", endless), question, Parameters(), 0.05)
        assert past.connection.execute("SELECT 1").fetchone() == (1,)


async def test_the_document_is_true(site: Site) -> None:
    """What schemathesis makes of the document is answered as the document says."""
    document = (await site.client.get("/api/v1/openapi.json")).json()
    assert len(json.dumps(document)) < 100_000
    await asyncio.to_thread(conform, document, site.bot.address or "")


def conform(document: dict[str, Any], address: str) -> None:
    """Ask every operation what fits the document, what does not, and for hostile names."""
    schema = schemathesis.openapi.from_dict(document)
    with requests.Session() as session:
        session.trust_env = False
        for found in schema.get_all_operations():
            operation = found.ok()
            if operation.path.endswith("/changes"):  # its answers do not end
                continue
            # Only the grammars of windows and zones know which of the texts that fit are good.
            fits = operation.as_strategy(GenerationMode.POSITIVE)
            ask_all(fits, session, address, 12, [checks.positive_data_acceptance])
            ask_all(operation.as_strategy(GenerationMode.NEGATIVE), session, address, 12, [])
            if "{service}" in operation.path:  # schemathesis writes dots so that they stay
                for name in HOSTILE:
                    exact = operation.as_strategy(path_parameters={"service": name}, query={})
                    ask_all(exact, session, address, 1, [])


def ask_all(
    cases: hypothesis.strategies.SearchStrategy[schemathesis.Case],
    session: requests.Session,
    address: str,
    examples: int,
    excluded: list[CheckFunction],
) -> None:
    """Ask so many cases, always the same, and validate the answers."""

    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=cases)
    def ask(case: schemathesis.Case) -> None:
        case.call_and_validate(base_url=address, session=session, excluded_checks=excluded)

    ask()
