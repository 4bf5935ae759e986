import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from crawler.probes.base import Place, Report
from crawler.probes.log import LogProbe, LogSettings
from pulsebot.event import AppMessage, Crash, Trigger

PATTERNS = [
    {"kind": "trigger", "regex": r"order (?P<id>\d+) took (?P<duration_ms>[\d.]+) ms",
     "name": "order"},
    {"kind": "trigger", "regex": r"batch of (?P<count>\d+)", "name": "batch"},
    {"kind": "message", "regex": r"(?P<level>WARNING|ERROR) (?P<text>.*)"},
    {"kind": "crash", "regex": r"FATAL (?P<error>\w+): (?P<message>.*)", "tags": {"src": "log"}},
]  # fmt: skip


class Collected:
    """What a running probe has reported so far."""

    def __init__(self) -> None:
        self.reports: list[Report] = []

    @property
    def events(self) -> list[Any]:
        """All events in order."""
        return [event for report in self.reports for event in report.events]

    @property
    def mark(self) -> str | None:
        """The last mark."""
        return self.reports[-1].mark if self.reports else None


@asynccontextmanager
async def _running(path: Path, mark: str | None = None, **more: Any) -> AsyncIterator[Collected]:
    settings = LogSettings.model_validate(
        {"type": "log", "path": path, "check_s": 0.01, "quiet_s": 0.1, **more}
    )
    collected = Collected()

    async def collect() -> None:
        probe = LogProbe(settings, Place("svc-a", "host-1", {"env": "prod"}, mark))
        async for report in probe.probe():
            collected.reports.append(report)

    task = asyncio.create_task(collect())
    try:
        await asyncio.sleep(0.05)
        yield collected
    finally:
        task.cancel()
        await asyncio.wait([task])


def _append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


async def test_patterns_give_the_three_kinds(
    tmp_path: Path, eventually: Callable[..., Any]
) -> None:
    """Named groups fill the fields, other groups become tags, equal triggers add up."""
    log = tmp_path / "app.log"
    log.touch()
    async with _running(log, patterns=PATTERNS) as found:
        _append(log, "order 7 took 12.5 ms\nnoise\nbatch of 40\nbatch of 2\nWARNING low disk\n")
        _append(log, "FATAL OutOfMemory: heap is full\n")
        await eventually(lambda: len(found.events) >= 4)
    kinds = {(type(e), getattr(e.data, "name", "")): e for e in found.events}
    order = kinds[Trigger, "order"].data
    assert (order.duration_ms, order.tags) == (12.5, {"env": "prod", "id": "7"})
    assert kinds[Trigger, "batch"].data.count == 42
    message = kinds[AppMessage, ""].data
    assert (message.text, message.level) == ("low disk", "warning")
    crash = kinds[Crash, ""].data
    assert (crash.error, crash.message) == ("OutOfMemory", "heap is full")
    assert crash.tags == {"env": "prod", "src": "log"}


async def test_a_traceback_is_one_crash_with_the_line_that_announced_it(
    tmp_path: Path, eventually: Callable[..., Any]
) -> None:
    """The crash pattern's fields and the trace after the line make one event."""
    log = tmp_path / "app.log"
    log.touch()
    async with _running(log, patterns=PATTERNS) as found:
        _append(log, "FATAL Boom: at work\nTraceback (most recent call last):\n")
        await asyncio.sleep(0.03)
        _append(log, '  File "a.py", line 1, in f\n    g()\nKeyError: 1\n')
        await eventually(lambda: found.events)
    (crash,) = found.events
    assert (crash.data.error, crash.data.message) == ("Boom", "at work")
    assert crash.data.stack.endswith("KeyError: 1")


async def test_a_trace_alone_is_a_crash_unless_switched_off(
    tmp_path: Path, eventually: Callable[..., Any]
) -> None:
    """`traces: false` leaves stack traces to the patterns."""
    log = tmp_path / "app.log"
    log.touch()
    text = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\nKeyError: 1\n'
    async with _running(log) as found, _running(log, traces=False) as none:
        _append(log, text)
        await eventually(lambda: found.events and none.reports)
    assert [e.data.error for e in found.events] == ["KeyError"]
    assert none.events == []


async def test_without_traces_a_pattern_finds_the_crash_in_any_line_of_one(
    tmp_path: Path, eventually: Callable[..., Any]
) -> None:
    """What `traces: false` leaves to the patterns is the whole trace, as one crash."""
    log = tmp_path / "app.log"
    log.touch()
    pattern = {"kind": "crash", "regex": r"^KeyError: (?P<message>.*)"}
    async with _running(log, patterns=[pattern], traces=False) as found:
        _append(log, 'Traceback (most recent call last):\n  File "a.py", line 1\nKeyError: 1\n')
        await eventually(lambda: found.events)
    (crash,) = found.events
    assert (crash.data.error, crash.data.message) == ("KeyError", "1")
    assert crash.data.stack.startswith("Traceback")


@pytest.mark.parametrize("traces", [True, False])
async def test_the_first_line_of_a_trace_is_a_line_like_others(
    tmp_path: Path, eventually: Callable[..., Any], *, traces: bool
) -> None:
    """A line that ends in an error's name is counted and told, whether or not a trace follows."""
    log = tmp_path / "app.log"
    log.touch()
    text = "batch of 3 ERROR java.io.IOException: disk\n\tat a.B.c(B.java:1)\nend\n"
    async with _running(log, patterns=PATTERNS, traces=traces) as found:
        _append(log, text)
        await eventually(lambda: len(found.events) >= 2 + traces)
    kinds = {type(event): event.data for event in found.events}
    assert kinds[Trigger].count == 3
    assert kinds[AppMessage].text == "java.io.IOException: disk"
    assert (Crash in kinds) is traces
    assert len(found.events) == 2 + traces


async def test_lines_that_count_nothing_or_have_no_usable_time(
    tmp_path: Path, eventually: Callable[..., Any]
) -> None:
    """A batch of none is none; a time that no calendar has in UTC is that of the look."""
    log = tmp_path / "app.log"
    log.touch()
    timed = {"kind": "trigger", "regex": r"(?P<time>\S+) hit", "name": "hit"}
    async with _running(log, patterns=[*PATTERNS, timed]) as found:
        _append(log, "batch of 0\n0001-01-01T00:00:00+23:59 hit\n")
        await eventually(lambda: found.events)
    (event,) = found.events
    assert (event.data.name, event.data.count) == ("hit", 1)
    assert event.time.year > 2000


async def test_an_unfinished_trace_is_not_accounted_for(
    tmp_path: Path, eventually: Callable[..., Any]
) -> None:
    """Ended in the middle of a trace, the next run reads it again from its first line."""
    log = tmp_path / "app.log"
    log.touch()
    async with _running(log, quiet_s=60) as found:
        _append(log, 'x\nTraceback (most recent call last):\n  File "a.py", line 1, in f\n')
        await eventually(lambda: found.mark)
        await asyncio.sleep(0.05)
    _append(log, "KeyError: 1\n")
    async with _running(log, mark=found.mark) as again:
        await eventually(lambda: again.events)
    assert again.events[0].data.stack.startswith("Traceback")
    assert again.events[0].data.error == "KeyError"


async def test_a_rotating_handler_under_load(
    tmp_path: Path, eventually: Callable[..., Any]
) -> None:
    """Python's own rotating handler in full swing: each record is counted once."""
    log = tmp_path / "app.log"
    handler = RotatingFileHandler(log, maxBytes=20_000, backupCount=50)
    logger = logging.getLogger("rotating")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)

    def write() -> None:
        for number in range(3000):
            logger.info("batch of 1, number %d", number)

    def total() -> int:
        return sum(e.data.count for e in found.events)

    async with _running(log, patterns=PATTERNS, from_start=True) as found:
        for _ in range(3):
            await asyncio.to_thread(write)
            await asyncio.sleep(0.2)
        handler.close()
        await eventually(lambda: total() >= 9000, within_s=20)
        await asyncio.sleep(0.2)
    assert total() == 9000


def test_a_pattern_that_re2_cannot_take_is_told() -> None:
    """Look-around is refused when the settings are read, with a word why."""
    with pytest.raises(ValidationError, match="look-around and back-references"):
        LogSettings.model_validate(
            {"type": "log", "path": "x", "patterns": [{"kind": "crash", "regex": "(?=a)"}]}
        )


async def test_a_line_that_kills_backtracking_engines_costs_nothing(
    tmp_path: Path, eventually: Callable[..., Any]
) -> None:
    """A nested repetition against a hostile line is answered at once."""
    log = tmp_path / "app.log"
    log.touch()
    patterns = [
        {"kind": "message", "regex": "^(a+)+$"},
        {"kind": "message", "regex": "(?P<text>end)"},
    ]
    async with _running(log, patterns=patterns) as found:
        _append(log, "a" * 16_000 + "!\nend\n")
        await eventually(lambda: found.events, within_s=2)
    assert [e.data.text for e in found.events] == ["end"]
