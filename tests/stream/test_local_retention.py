"""What the embedded log removes when it is old, and how a reader learns of it."""

import time

import pytest

from pulsebot.stream.base import Gap, Partition
from pulsebot.stream.config import LocalStream
from pulsebot.stream.local import LocalReader, LocalWriter
from pulsebot.stream.local import appender as appending
from tests.patience import PATIENCE_S
from tests.stream.texts import drain, outgoing

DAY_MS = 86_400_000


async def test_retention_removes_the_oldest_and_offsets_go_on(settings: LocalStream) -> None:
    """What is too old goes; offsets are never used again, even where nothing is left."""
    old = time.time_ns() // 1_000_000 - 8 * DAY_MS
    async with LocalWriter(settings) as writer:
        await writer.append(outgoing("0", "1", "2", timestamp=old))
    async with LocalWriter(settings) as writer, LocalReader(settings) as reader:
        assert await drain(reader) == []
        assert await reader.ends() == {Partition("t", 0): 3}
        await writer.append(outgoing("3"))
        (record,) = await reader.read(max_records=9, timeout_s=PATIENCE_S)
        assert (record.offset, record.value) == (3, b"3")


async def test_retention_never_passes_a_younger_record(settings: LocalStream) -> None:
    """An old log time behind a young one waits until the young one is old too."""
    now = time.time_ns() // 1_000_000
    async with LocalWriter(settings) as writer:
        await writer.append(outgoing("young", timestamp=now))
        await writer.append(outgoing("old", timestamp=now - 8 * DAY_MS))
    async with LocalWriter(settings), LocalReader(settings) as reader:
        assert await drain(reader) == ["young", "old"]


async def test_retention_works_in_steps(
    settings: LocalStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than one step's worth goes with the next appends, each of them short."""
    monkeypatch.setattr(appending, "TRIM_AT_ONCE", 10)
    old = time.time_ns() // 1_000_000 - 8 * DAY_MS
    async with LocalWriter(settings) as writer, LocalReader(settings) as reader:
        await writer.append(outgoing(*map(str, range(35)), timestamp=old))
    async with LocalWriter(settings) as writer, LocalReader(settings) as reader:
        left = []
        for _ in range(4):
            await reader.seek({})
            left.append(len(await drain(reader)))
            await writer.append(outgoing("new"))
    assert left == [25, 16, 7, 3]


async def test_a_reader_left_behind_by_retention_gets_a_gap(settings: LocalStream) -> None:
    """Records that go while a reader lags are told, even where nothing is left to read."""
    old = time.time_ns() // 1_000_000 - 8 * DAY_MS
    async with LocalReader(settings) as reader:
        async with LocalWriter(settings) as writer:
            await writer.append(outgoing("0", "1", "2", timestamp=old))
            assert len(await reader.read(max_records=1, timeout_s=PATIENCE_S)) == 1
        async with LocalWriter(settings):
            pass
        assert await drain(reader) == []
        assert reader.gaps() == [Gap(Partition("t", 0), asked=1, earliest=3)]
