"""Streams for the crawler's tests: real implementations of the Writer, kept in this process."""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import pytest

from pulsebot.errors import InvalidInput, StreamError
from pulsebot.event import Event, decode
from pulsebot.stream.base import Outgoing, Partition
from pulsebot.stream.config import LocalStream
from pulsebot.stream.open import open_reader
from tests.patience import PATIENCE_S


class ListStream:
    """A stream that is a list; `down` makes it refuse, `lossy_acks` keeps but denies.

    A record beyond `most_bytes` is refused for good, and with it what was to go beside it.
    """

    def __init__(self) -> None:
        self.records: list[Outgoing] = []
        self.down = False
        self.lossy_acks = 0
        self.most_bytes = 10**6

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        return None

    async def append(self, records: Sequence[Outgoing]) -> None:
        """Keep the records, unless told to be broken."""
        await asyncio.sleep(0)
        if self.down:
            raise StreamError("the broker is away")
        if any(len(record.value) > self.most_bytes for record in records):
            raise InvalidInput("a record is larger than the topic takes")
        self.records.extend(records)
        if self.lossy_acks:
            self.lossy_acks -= 1
            raise StreamError("no answer in time")

    def events(self) -> list[Event]:
        """Return what was appended, decoded."""
        return [decode(record.value) for record in list(self.records)]


@pytest.fixture
def stream() -> ListStream:
    """Return an empty stream."""
    return ListStream()


@pytest.fixture
def until() -> Callable[..., None]:
    """Return a function that waits for a condition and fails after a time limit."""

    def wait(condition: Callable[[], object], within_s: float = PATIENCE_S) -> None:
        deadline = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < deadline, "the condition did not come true in time"
            time.sleep(0.01)

    return wait


@pytest.fixture
def eventually() -> Callable[..., object]:
    """Return the same as a coroutine function."""

    async def wait(condition: Callable[[], object], within_s: float = PATIENCE_S) -> None:
        async with asyncio.timeout(within_s):
            while not condition():  # noqa: ASYNC110 - the condition is any function
                await asyncio.sleep(0.01)

    return wait


@pytest.fixture
def app_env() -> dict[str, str]:
    """Return the environment in which a process finds this source tree."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


@pytest.fixture
def read_log() -> Callable[[Path], list[Event]]:
    """Return a function that gives all events that an embedded log holds at the moment."""

    async def read(path: Path) -> list[Event]:
        async with open_reader(LocalStream(path=path)) as reader:
            await reader.seek({})
            left = {lane: end for lane, end in (await reader.ends()).items() if end}
            events: list[Event] = []
            while left:  # whoever still writes must not keep us reading
                for record in await reader.read(max_records=1000, timeout_s=1):
                    events.append(decode(record.value, record.headers))
                    lane = Partition(record.topic, record.partition)
                    if record.offset + 1 >= left.get(lane, 0):
                        left.pop(lane, None)
            return events

    return lambda path: asyncio.run(read(path))
