"""The log probe: follows a log file; patterns in its lines give events.

A line that a pattern recognises becomes a trigger, a crash or a message; a stack trace in the
log becomes a crash, together with the line before it where a crash pattern recognised that.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from crawler.inbox import Hit, Tally
from crawler.origin import moment
from crawler.probes.base import Place, ProbeSection, Report
from crawler.probes.pattern import Regex
from crawler.probes.tail import Line, Mark, Tail
from crawler.probes.trace import Assembler, Entry
from crawler.settings import Tags
from pulsebot.event import Event, Level
from pulsebot.stream.config import Section


class _Pattern(Section):
    regex: Regex
    """RE2, found anywhere in a line. Named groups fill the event's fields, `time` (RFC 3339
    with a zone) its time, and any other becomes a tag."""
    tags: Tags = {}  # noqa: RUF012 - pydantic copies mutable defaults


class TriggerPattern(_Pattern):
    """Lines that say that the service was triggered: groups `name`, `count`, `duration_ms`."""

    kind: Literal["trigger"]
    name: str | None = None


class CrashPattern(_Pattern):
    """Lines that say that the service crashed: groups `error`, `message`."""

    kind: Literal["crash"]
    error: str = "Crash"


class MessagePattern(_Pattern):
    """Lines to tell people: groups `text`, `title`, `level`; without `text` the whole line."""

    kind: Literal["message"]
    level: Level = "info"


LinePattern = Annotated[TriggerPattern | CrashPattern | MessagePattern, Field(discriminator="kind")]


class LogSettings(ProbeSection):
    """Follows one log file."""

    type: Literal["log"]
    path: Path
    patterns: tuple[LinePattern, ...] = ()
    traces: bool = True
    """Whether a stack trace is a crash also without a pattern that says so."""
    from_start: bool = False
    """Whether to begin with what is in the file when it is seen for the very first time."""
    check_s: Annotated[float, Field(gt=0)] = 0.25
    """Time between two looks."""
    quiet_s: Annotated[float, Field(gt=0)] = 1
    """A stack trace is complete when nothing followed for this long."""

    def watched(self) -> str:
        """Return the file's path."""
        return f"log {self.path.absolute()}"


class LogProbe:
    """Follows one file and turns lines into events."""

    def __init__(self, settings: LogSettings, place: Place) -> None:
        self._settings = settings
        self._origin = place.origin(settings)
        self._mark = Mark.parse(place.mark) if place.mark else None
        self._crashes = [p for p in settings.patterns if isinstance(p, CrashPattern)]

    async def probe(self) -> AsyncGenerator[Report, None]:
        """Yield events with the mark up to which lines are accounted for."""
        settings = self._settings
        tail = Tail(settings.path, self._mark, from_start=settings.from_start)
        assembler: Assembler[Line] = Assembler()
        last_news = time.monotonic()
        try:
            while True:
                # On the loop, at most CHUNK bytes: a thread could not be stopped with us.
                lines = tail.read()
                entries = [entry for line in lines for entry in self._feed(assembler, line)]
                if lines:
                    last_news = time.monotonic()
                elif time.monotonic() - last_news >= settings.quiet_s:
                    entries += assembler.flush()
                mark = _accounted(tail, assembler)
                if mark is not None and (entries or mark != self._mark):
                    yield Report(tuple(self._events(entries, time.time())), mark.dump())
                    self._mark = mark
                await asyncio.sleep(0 if lines else settings.check_s)
        finally:
            tail.close()

    def _feed(self, assembler: Assembler[Line], line: Line) -> list[Entry[Line]]:
        head = any(pattern.regex.search(line.text) for pattern in self._crashes)
        return assembler.feed(line, line.text, head=head)

    def _events(self, entries: list[Entry[Line]], now: float) -> Iterator[Event]:
        """Yield the events of complete entries; equal triggers of one second are added up."""
        tally = Tally()
        for entry in entries:
            if entry.error is not None:
                yield from self._trace(entry, now)
            for text in entry.texts[: None if entry.error is None else 1]:
                yield from self._line(text, now, tally, traced=entry.error is not None)
        for hit in tally.due(float("inf")):
            yield self._origin.trigger(
                moment(hit.time),
                name=hit.name,
                count=hit.times,
                duration_ms=hit.duration_ms,
                tags=hit.tags,
            )

    def _trace(self, entry: Entry[Line], now: float) -> Iterator[Event]:
        """Yield the crash that a trace is: as a pattern says, else by itself where that is on."""
        for text in entry.texts[: 1 if self._settings.traces else None]:
            for pattern in self._crashes:
                if found := pattern.regex.search(text):
                    groups = _groups(found.groupdict())
                    at = _time(groups, now)
                    error = groups.pop("error", None) or entry.error
                    message = groups.pop("message", None) or entry.message
                    tags = {**pattern.tags, **groups}
                    yield self._origin.crash(
                        at, error, message=message, stack=entry.stack, tags=tags
                    )
                    return
        if self._settings.traces:
            yield self._origin.crash(
                moment(now), entry.error, message=entry.message, stack=entry.stack
            )

    def _line(self, text: str, now: float, tally: Tally, *, traced: bool) -> Iterator[Event]:
        for pattern in self._settings.patterns:
            if traced and isinstance(pattern, CrashPattern):
                continue  # it has its crash, with the stack
            found = pattern.regex.search(text)
            if found is None:
                continue
            groups = _groups(found.groupdict())
            at = _time(groups, now)
            if isinstance(pattern, TriggerPattern):
                if hit := _hit(pattern, groups, at):
                    tally.add(hit)
            elif isinstance(pattern, CrashPattern):
                yield self._crash(pattern, groups, at, text)
            else:
                yield self._message(pattern, groups, at, text)

    def _crash(
        self, pattern: CrashPattern, groups: dict[str, str], at: datetime, line: str
    ) -> Event:
        error = groups.pop("error", None) or pattern.error
        message = groups.pop("message", None) or line
        return self._origin.crash(at, error, message=message, tags={**pattern.tags, **groups})

    def _message(
        self, pattern: MessagePattern, groups: dict[str, str], at: datetime, line: str
    ) -> Event:
        text = groups.pop("text", None) or line
        level = groups.pop("level", None) or pattern.level
        title = groups.pop("title", None)
        tags = {**pattern.tags, **groups}
        return self._origin.message(at, text, level=level, title=title, tags=tags)


def _accounted(tail: Tail, assembler: Assembler[Line]) -> Mark | None:
    """Return where to go on after a restart: before the lines of an unfinished trace."""
    held = assembler.held
    return held.lines[0].start if held is not None else tail.mark()


def _groups(found: object) -> dict[str, str]:
    return {name: text for name, text in dict(found).items() if text is not None}  # type: ignore[call-overload]


def _time(groups: dict[str, str], now: float) -> datetime:
    try:
        at = datetime.fromisoformat(groups.pop("time", ""))
        return moment(now) if at.tzinfo is None else moment(at.timestamp())
    except (ValueError, OverflowError):  # no time, or one that is beyond the calendar in UTC
        return moment(now)


def _hit(pattern: TriggerPattern, groups: dict[str, str], at: datetime) -> Hit | None:
    """Return what a line counts; None where it says that there was nothing to count."""
    number = _number(groups.pop("count", None))
    count = 1 if number is None else int(number)
    if count == 0:
        return None
    duration = _number(groups.pop("duration_ms", None))
    name = groups.pop("name", None) or pattern.name
    return Hit(at.timestamp(), name, count, duration, {**pattern.tags, **groups})


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 <= number < 1e12 else None  # noqa: PLR2004 - the bound of a count
