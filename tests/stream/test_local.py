"""Reading and appending to the embedded log, as far as that is particular to it."""

import asyncio
import time
from pathlib import Path

import pytest

from pulsebot.stream.base import Gap, Outgoing, Partition, TopicPlan
from pulsebot.stream.config import LocalStream, Topics
from pulsebot.stream.local import LocalAdmin, LocalReader, LocalWriter, scanner
from tests.patience import PATIENCE_S
from tests.stream.texts import collect, drain, outgoing

DAY_MS = 86_400_000


async def test_records_come_in_append_order_over_all_topics(tmp_path: Path) -> None:
    """Whatever their topics and log times, records are read as they were appended."""
    settings = LocalStream(path=tmp_path / "log.db", topics=Topics(pattern=".*"))
    now = time.time_ns() // 1_000_000
    async with LocalWriter(settings) as writer, LocalReader(settings) as reader:
        await writer.append(outgoing("1", topic="b") + outgoing("2", topic="a", timestamp=now - 9))
        await writer.append(outgoing("3", topic="c", timestamp=now - 99))
        await writer.append(outgoing("4", topic="a"))
        assert await drain(reader) == ["1", "2", "3", "4"]


async def test_foreign_topics_are_passed_over(
    settings: LocalStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A topic that is not read costs nothing again once it has been passed."""
    monkeypatch.setattr(scanner, "MAX_POSITIONS", 10)
    async with LocalWriter(settings) as writer, LocalReader(settings) as reader:
        await writer.append(outgoing("first"))
        await writer.append(outgoing(*map(str, range(105)), topic="foreign"))
        await writer.append(outgoing("last"))
        assert await collect(reader, 2) == ["first", "last"]
        assert await reader.ends() == {Partition("t", 0): 2}


async def test_large_values_do_not_pile_up(settings: LocalStream) -> None:
    """One read returns about 16 MiB at most, however many records were asked for."""
    value = b"x" * 900_000
    async with LocalWriter(settings) as writer, LocalReader(settings) as reader:
        await writer.append([Outgoing("t", "k", value)] * 40)
        sizes = []
        while records := await reader.read(max_records=2000, timeout_s=0):
            sizes.append(len(records))
    assert sum(sizes) == 40
    assert max(sizes) * len(value) <= scanner.MAX_BYTES + len(value)


async def test_an_idle_reader_sees_a_record_soon(settings: LocalStream) -> None:
    """A record ends a read that waits, however long the read was ready to wait."""
    async with LocalWriter(settings) as writer, LocalReader(settings) as reader:
        waiting = asyncio.create_task(reader.read(max_records=1, timeout_s=10 * PATIENCE_S))
        await asyncio.wait([waiting], timeout=0.5)  # by now it looks at its slowest
        await writer.append(outgoing("now"))
        assert len(await asyncio.wait_for(waiting, PATIENCE_S)) == 1


async def test_a_log_that_is_moved_away_is_followed_by_name(settings: LocalStream) -> None:
    """Reader and writer go on with a new file, and the reader says that its place is gone."""
    async with LocalWriter(settings) as writer, LocalReader(settings) as reader:
        await writer.append(outgoing("0", "1", "2"))
        assert len(await drain(reader)) == 3
        for name in ("log.db", "log.db-wal", "log.db-shm"):
            (settings.path.parent / name).unlink(missing_ok=True)
        await writer.append(outgoing("new"))
        assert await collect(reader, 1) == ["new"]
        assert reader.gaps() == [Gap(Partition("t", 0), asked=3, earliest=0)]


async def test_a_position_of_another_log_is_told(settings: LocalStream) -> None:
    """A stored position beyond the end starts over, with a gap that says so."""
    async with LocalWriter(settings) as writer, LocalReader(settings) as reader:
        await writer.append(outgoing("0", "1"))
        await reader.seek({Partition("t", 0): 100})
        assert await drain(reader) == ["0", "1"]
        assert reader.gaps() == [Gap(Partition("t", 0), asked=100, earliest=0)]


async def test_admin_makes_topics_beforehand(settings: LocalStream) -> None:
    """A topic made beforehand is there, empty; one with records says how many."""
    plans = [TopicPlan("t", 6, 3, 7 * DAY_MS), TopicPlan("u", 1, 1, -1)]
    admin = LocalAdmin(settings)
    assert await admin.create(plans) == {"t": "created", "u": "created"}
    async with LocalWriter(settings) as writer, LocalReader(settings) as reader:
        assert await reader.ends() == {Partition("t", 0): 0}
        await writer.append(outgoing("0", "1"))
    assert (await admin.create(plans))["t"] == "exists: 1 partition, 2 records"
