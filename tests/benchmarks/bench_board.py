"""The board: event committed → number changed, with many services and many open pages.

    python -m tests.benchmarks.bench_board [services] [pages] [seconds]

The bot runs in a process of its own on an embedded log, with 200 triggers a second all along.
A marked service is triggered about once a second; the moment of the commit is when its count
can be read from the database file by another process (polled every 5 ms), the moment of the
change is when a page's connection has the new number, or when it stands in a real Chromium.
"""

import asyncio
import json
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psutil
from playwright.async_api import async_playwright

from pulsebot import event as events
from pulsebot.event import State, StatusData, TriggerData, encode
from pulsebot.stream.base import Outgoing, Writer
from pulsebot.stream.config import LocalStream
from pulsebot.stream.open import open_writer
from pulsebot.web.board.wording import key
from tests.benchmarks.measuring import quantile
from tests.browser.provision import Missing, arguments, chromium

MARKED = "marked"
CELL = f"{key(MARKED)}-tr"
LOAD = 200
"""Triggers a second of other services."""

TARGET_S = 1.5
SETTLE_S = 3.0

_WATCH = """id => {
  window.seen = [];
  const note = () => seen.push([Number(document.getElementById(id).textContent.replaceAll(',', '')),
                                Date.now() / 1000]);
  note();
  new MutationObserver(note).observe(document.getElementById(id), {childList: true, subtree: true});
}"""

Seen = dict[int, float]
"""When a count was first seen, in seconds since the epoch."""


@dataclass(slots=True)
class Measured:
    """What all watchers saw, and the sizes of what they were sent."""

    committed: Seen = field(default_factory=dict)
    pages: list[Seen] = field(default_factory=list)
    real: Seen = field(default_factory=dict)
    frames: list[int] = field(default_factory=list)


def latencies(committed: Seen, seen: Seen) -> list[float]:
    """Return for each commit how long until that count, or a later one, was seen."""
    found = []
    for count, at in committed.items():
        later = [when for value, when in seen.items() if value >= count]
        if later:
            found.append(max(0.0, min(later) - at))
    return found


@asynccontextmanager
async def bot(folder: Path) -> AsyncIterator[tuple[str, psutil.Process]]:
    """Run `pulsebot run` in a folder; yields its address and process."""
    port = random.randrange(20_000, 30_000)  # noqa: S311 - any will do
    config = folder / "pulsebot.yaml"
    config.write_text(
        f"stream: {{type: local, path: {folder}/log.db}}\ndatabase: {folder}/bot.db\n"
        f"rules: [{folder}/rules.yaml]\nconsole: true\nweb: {{listen: '127.0.0.1:{port}'}}\n"
    )
    routes = "routes: [{match: {}, to: [console], then: stop}]"
    (folder / "rules.yaml").write_text(f"version: 1\nrules: []\n{routes}\n")
    command = [sys.executable, "-m", "pulsebot", "run", "--config", str(config)]
    with (folder / "bot.log").open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)  # noqa: ASYNC220 - our own program
    address = f"http://127.0.0.1:{port}"
    try:
        await ready(address, process, folder)
        yield address, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)


async def ready(address: str, process: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait until the bot has read the log."""
    async with asyncio.timeout(120), httpx.AsyncClient(trust_env=False) as client:
        while process.poll() is None:
            with suppress(httpx.HTTPError):
                state = (await client.get(f"{address}/readyz")).json()
                if state["ready"] and state["lag"] == 0:
                    return
            await asyncio.sleep(0.1)
    sys.exit((folder / "bot.log").read_text())


async def write(writer: Writer, told: list[events.Event]) -> None:
    """Append events to the log."""
    await writer.append([Outgoing(f"pulse.{e.kind}", e.service, encode(e)) for e in told])


async def seed(writer: Writer, services: int) -> None:
    """Tell of every service once: a status, and triggers of the last day."""
    now, tags = datetime.now(UTC), {"env": "prod", "team": "core"}
    for number in range(services):
        name = f"service-{number:04}"
        await write(
            writer,
            [
                events.trigger(name, now, TriggerData(count=number + 1, tags=tags)),
                events.status(name, now, StatusData(state=State.UP), instance="i-1"),
            ],
        )
    await write(writer, [events.trigger(MARKED, now, TriggerData(tags=tags))])


async def load(writer: Writer, services: int) -> None:
    """Trigger services all the time, ten times a second."""
    while True:
        now = datetime.now(UTC)
        names = (f"service-{random.randrange(services):04}" for _ in range(LOAD // 10))  # noqa: S311 - load
        await write(writer, [events.trigger(name, now, TriggerData()) for name in names])
        await asyncio.sleep(0.1)


async def mark(writer: Writer) -> None:
    """Trigger the marked service at moments that keep step with nothing."""
    while True:
        await write(writer, [events.trigger(MARKED, datetime.now(UTC), TriggerData())])
        await asyncio.sleep(random.uniform(0.5, 1.5))  # noqa: S311 - load


async def commits(path: Path, seen: Seen) -> None:
    """Note when each count of the marked service can be read from the file."""
    query = "SELECT sum(count) FROM count_1m WHERE kind = 'trigger' AND service = ?"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        while True:
            (count,) = connection.execute(query, (MARKED,)).fetchone()
            seen.setdefault(count, time.time())
            await asyncio.sleep(0.005)


async def page(address: str, seen: Seen, frames: list[int]) -> None:
    """Be a page: load it, then take its events."""
    async with httpx.AsyncClient(base_url=address, trust_env=False, timeout=60) as client:
        html = (await client.get("/")).text
        since = html.partition('data-mark="')[2].partition('"')[0]
        async with client.stream("GET", f"/live?page=services&since={since}") as stream:
            async for line in stream.aiter_lines():
                if line.startswith("data: {"):
                    frames.append(len(line))
                    if cell := json.loads(line[6:])["cells"].get(CELL):
                        seen.setdefault(int(cell.replace(",", "")), time.time())


@asynccontextmanager
async def real_page(address: str, program: Path, seen: Seen) -> AsyncIterator[None]:
    """Open the board in a real browser; what it showed is there afterwards."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=arguments())
        shown = await browser.new_page()
        await shown.goto(address)
        await shown.evaluate(_WATCH, CELL)
        yield
        for count, at in await shown.evaluate("seen"):
            seen.setdefault(count, at)
        await browser.close()


async def cpu(process: psutil.Process, seconds: float) -> float:
    """Return the share of one core that a process takes, over a while."""
    before, started = process.cpu_times(), time.perf_counter()
    await asyncio.sleep(seconds)
    after = process.cpu_times()
    used = after.user + after.system - before.user - before.system
    return used / (time.perf_counter() - started)


async def measure(services: int, pages: int, seconds: float) -> None:
    """Run everything and print the table."""
    program = chromium()
    if isinstance(program, Missing):
        sys.exit(f"NOT RUN: {program.reason}")
    measured = Measured(pages=[{} for _ in range(pages)])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with open_writer(LocalStream(path=folder / "log.db")) as writer:
            await seed(writer, services)
            async with bot(folder) as (address, process), asyncio.TaskGroup() as group:
                tasks = [group.create_task(load(writer, services))]
                tasks.append(group.create_task(mark(writer)))
                await asyncio.sleep(SETTLE_S)
                alone = await cpu(process, seconds / 2)
                tasks += [
                    group.create_task(page(address, seen, measured.frames))
                    for seen in measured.pages
                ]
                async with real_page(address, program, measured.real):
                    while not all(measured.pages):  # noqa: ASYNC110 - each has to be connected
                        await asyncio.sleep(0.1)
                    watching = group.create_task(commits(folder / "bot.db", measured.committed))
                    tasks.append(watching)
                    watched = await cpu(process, seconds)
                    watching.cancel()
                    await asyncio.sleep(SETTLE_S)
                weight = await weigh(address)
                for task in tasks:
                    task.cancel()
    report(measured, services, (alone, watched), weight)


async def weigh(address: str) -> tuple[int, int, float]:
    """Return the bytes of the first page, whole and on the wire, and the seconds it takes."""
    async with httpx.AsyncClient(base_url=address, trust_env=False, timeout=60) as client:
        started = time.perf_counter()
        answer = await client.get("/")
        taken = time.perf_counter() - started
        return len(answer.content), answer.num_bytes_downloaded, taken


def report(
    measured: Measured, services: int, shares: tuple[float, float], weight: tuple[int, int, float]
) -> None:
    """Print what was measured."""
    first = min(measured.committed)  # how long that had been there nobody knows
    committed = {count: at for count, at in measured.committed.items() if count > first}
    wire = [late for seen in measured.pages for late in latencies(committed, seen)]
    real = latencies(committed, measured.real)
    told = f"{services:,} services, {len(measured.pages)} pages and a Chromium"
    print(f"{told}; {LOAD} triggers/s, {len(committed)} marked commits")
    for what, found in (("on the wire", wire), ("in Chromium", real)):
        p50, p99 = statistics.median(found), quantile(found, 0.99)
        print(
            f"committed to changed, {what}: p50 {p50:.2f} s, p99 {p99:.2f} s, max {max(found):.2f}"
        )
    print(f"target: p99 at most {TARGET_S} s")
    print(f"CPU of the bot: {shares[0]:.1%} of a core alone, {shares[1]:.1%} with the pages")
    whole, sent, taken = weight
    print(f"first page: {whole:,} bytes, {sent:,} on the wire, {taken * 1000:.0f} ms")
    print(f"an event: {statistics.mean(measured.frames):,.0f} bytes on average")


def main() -> None:
    """Measure with what the command line says."""
    given = [int(word) for word in sys.argv[1:4]]
    services, pages, seconds = [*given, *(1_000, 50, 30)[len(given) :]]
    asyncio.run(measure(services, pages, seconds))


if __name__ == "__main__":
    main()
