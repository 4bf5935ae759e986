import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from pulsebot import app
from pulsebot import event as events
from pulsebot.app import App
from pulsebot.errors import InvalidInput
from pulsebot.event import MessageData, TriggerData, encode
from pulsebot.settings import Settings, Web
from pulsebot.store.database import Connection
from pulsebot.stream.base import Outgoing
from pulsebot.stream.config import LocalStream
from pulsebot.stream.open import open_writer
from pulsebot.web.server import serving
from tests.fakes.world import NO_RULES
from tests.patience import PATIENCE_S


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[App]:
    """Run the whole app on an embedded log that holds three records, one of them no event."""
    settings = Settings(
        stream=LocalStream(path=tmp_path / "log.db"),
        database=tmp_path / "bot.db",
        web=Web(listen="127.0.0.1:0"),
    )
    told = events.trigger("svc-a", datetime.now(UTC), TriggerData(count=3))
    async with open_writer(settings.stream) as writer:
        await writer.append(
            [Outgoing("pulse.trigger", "svc-a", encode(told))] * 2
            + [Outgoing("pulse.trigger", "svc-a", b"not an event")]
        )
    async with app.opened(settings, NO_RULES) as opened:
        task = asyncio.create_task(app.run(opened))
        yield opened
        opened.stop.set()
        await task


async def get(running: App, path: str) -> httpx.Response:
    """Ask the app's own server."""
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(f"{running.address}{path}")


async def consumed(running: App) -> None:
    """Wait until all three records are consumed and a tick has told the lag."""
    async with asyncio.timeout(PATIENCE_S):
        while running.pipeline.intake.totals.records < 3 or not running.pipeline.ends:  # noqa: ASYNC110 - the state of another task
            await asyncio.sleep(0.01)


async def test_alive_and_ready_once_the_log_is_read(running: App) -> None:
    """A bot that has caught up is alive and ready."""
    await consumed(running)
    assert (await get(running, "/livez")).text == "ok"
    ready = await get(running, "/readyz")
    assert ready.status_code == 200
    assert ready.json()["reasons"] == []


async def test_a_failing_database_is_not_ready(running: App) -> None:
    """Readiness names what keeps the bot from its job, until it is mended; liveness goes on."""
    await consumed(running)
    await running.database.write(_limit_pages, 1)  # no less than there are: there is no room
    said = [events.message("svc-a", datetime.now(UTC), MessageData(text="x" * 9000))] * 50
    async with open_writer(running.settings.stream) as writer:
        for number, event in enumerate(said):
            one = msgspec.structs.replace(event, id=str(number))
            await writer.append([Outgoing("pulse.message", "svc-a", encode(one))])
    reasons = (await ready_with(running, 503))["reasons"]
    assert reasons == ["the database cannot be written: database or disk is full"]
    assert (await get(running, "/livez")).status_code == 200
    await running.database.write(_limit_pages, 1_000_000)
    assert (await ready_with(running, 200))["reasons"] == []


def _limit_pages(connection: Connection, most: int) -> None:
    connection.execute(f"PRAGMA max_page_count={most}")


async def ready_with(running: App, status: int) -> dict[str, Any]:
    """Wait until the bot answers with this status whether it is ready; return what it says."""
    async with asyncio.timeout(PATIENCE_S):
        while (ready := await get(running, "/readyz")).status_code != status:  # noqa: ASYNC110 - told only when asked
            await asyncio.sleep(0.05)
    said: dict[str, Any] = ready.json()
    return said


async def samples_of(running: App) -> dict[tuple[str, tuple[str, ...]], float]:
    """Return what Prometheus reads, by name and values of the labels."""
    text = (await get(running, "/metrics")).text
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_an_outbox_that_is_empty_is_told(running: App) -> None:
    """The depth of a receiver that was sent to stays there, at 0, for alarms to stand on."""
    await consumed(running)
    running.delivery.counters.bump(running.delivery.counters.sent, "console")
    samples = await samples_of(running)
    assert samples["pulsebot_outbox_depth", ("console",)] == 0
    assert samples["pulsebot_outbox_age_seconds", ("console",)] == 0


async def test_metrics_tell_what_was_consumed(running: App) -> None:
    """Records, new events, repetitions, dead letters and lag, as Prometheus reads them."""
    await consumed(running)
    samples = await samples_of(running)
    assert samples["pulsebot_records_total", ()] == 3
    assert samples["pulsebot_events_total", ()] == 1
    assert samples["pulsebot_duplicates_total", ()] == 1
    assert samples["pulsebot_dead_letters", ()] == 1
    assert samples["pulsebot_lag_records", ("0", "pulse.trigger")] == 0


async def test_a_taken_port_is_named_with_the_mend() -> None:
    """Two bots on one port: the second is told what to change."""
    async with serving(Web(listen="127.0.0.1:0"), []) as address:
        taken = Web(listen=address.removeprefix("http://"))
        with pytest.raises(InvalidInput, match=r"set another web\.listen"):
            async with serving(taken, []):
                pass
