"""The demo without a person: a fixed scene that checks itself, for CI.

Everything is as at a terminal; only the questions come from here, and the answers are read
back from what the console printed. Nothing waits for a time to pass, only for what must come.
"""

import asyncio
import contextlib
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from pulsebot.civil import zone_of
from pulsebot.demo.oracle import Oracle
from pulsebot.demo.performance import Performance, performing
from pulsebot.demo.transcript import Transcript
from pulsebot.store import counts
from pulsebot.window import widen

ALERTS_S = 90.0
"""For everything to happen that must; a quiet machine needs about ten seconds."""
ANSWER_S = 20.0
LOOK_S = 0.2

ALERTS = {
    "the crash of checkout (SDK)": "checkout crashed: KeyError",
    "the message of checkout (SDK)": "Only 3 espresso machines left in stock",
    "the failing health page of payment (HTTP probe)": "payment is down (payment-1)",
    "the warning of mailer (log probe)": "mailer: the queue is growing",
    "the stack trace of mailer (log probe)": "mailer crashed: java.net.SocketTimeoutException",
    "the death of inventory (crawler exec)": "inventory crashed: SIGSEGV",
}
"""What must be told, and the words it is known by."""

TRIGGERS = "/triggers checkout today"
ANSWERS = {
    TRIGGERS: r"^checkout: ([\d,]+) triggers? today$",
    "/crashes today": r"^[\d,]+ crash(?:es)? today in \d+ services?$",
    "/status": r"^\d+ services?, ",
}
"""What is asked, and the line its answer begins with."""

Ask = Callable[[str], None]


async def play(folder: Path | None) -> list[str]:
    """Play the scene; return what is missing, nothing where all went as it must."""
    shown = Transcript(sys.stdout)
    with _questions() as ask, contextlib.redirect_stdout(shown):
        async with performing(folder, "script") as performance, _running(performance):
            zone = zone_of(performance.bot.settings.timezone)
            oracle = Oracle(performance.ground.sent, zone)
            missing = await _alerts(shown)
            await _all_counted(performance, oracle)
            missing += await _triggers(shown, ask, oracle)
            for question in list(ANSWERS)[1:]:
                if await _answer(shown, ask, question) is None:
                    missing.append(f"the answer to {question}")
    return missing


@contextmanager
def _questions() -> Iterator[Ask]:
    """Put a pipe in the place of standard input; yields what writes a line into it."""
    reading, writing = os.pipe()
    before = sys.stdin
    with os.fdopen(reading) as source, os.fdopen(writing, "w") as sink:
        sys.stdin = source
        try:
            yield lambda line: print(line, file=sink, flush=True)
        finally:
            sys.stdin = before


@asynccontextmanager
async def _running(performance: Performance) -> AsyncIterator[None]:
    """Run the bot beside the scene, which is over when the bot is: a signal ended it."""
    scene = asyncio.current_task()

    def over(_: object) -> None:
        if scene is not None:
            scene.cancel()

    running = asyncio.create_task(performance.run())
    running.add_done_callback(over)
    try:
        yield
    finally:
        running.remove_done_callback(over)
        performance.bot.stop.set()
        await running


async def _alerts(shown: Transcript) -> list[str]:
    deadline = time.monotonic() + ALERTS_S
    missing = []
    for what, words in ALERTS.items():
        left = deadline - time.monotonic()
        if await shown.until(re.escape(words), within_s=left) is None:
            missing.append(what)
    return missing


async def _all_counted(performance: Performance, oracle: Oracle) -> None:
    """Wait until the bot has counted what checkout sent, as long as an answer may take."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ANSWER_S):
            while not (oracle.resting() and await _agree(performance, oracle)):  # noqa: ASYNC110 - files give no sign
                await asyncio.sleep(LOOK_S)


async def _agree(performance: Performance, oracle: Oracle) -> bool:
    span = oracle.today()
    between = widen(span.start_ms, span.end_ms)
    counted = await performance.bot.database.read(counts.total, "trigger", "checkout", *between)
    return counted == oracle.triggers(span.start_ms)


async def _triggers(shown: Transcript, ask: Ask, oracle: Oracle) -> list[str]:
    """Ask for checkout's triggers, and compare with what it sent."""
    midnight = oracle.today().start_ms
    answer = await _answer(shown, ask, TRIGGERS)
    if midnight != (later := oracle.today().start_ms):  # it is another day by now
        midnight, answer = later, await _answer(shown, ask, TRIGGERS)
    if answer is None:
        return [f"the answer to {TRIGGERS}"]
    counted, sent = int(answer[1].replace(",", "")), oracle.triggers(midnight)
    if counted != sent or not oracle.resting():
        return [f"the right count: the bot says {counted}, checkout sent {sent}"]
    return []


async def _answer(shown: Transcript, ask: Ask, question: str) -> re.Match[str] | None:
    before = len(shown.text)
    ask(question)
    return await shown.until(ANSWERS[question], within_s=ANSWER_S, after=before)
