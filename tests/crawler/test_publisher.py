import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from crawler.origin import Origin
from crawler.publisher import Publisher
from crawler.spool import Spool
from crawler.spoolfolder import SpoolFolder
from pulsebot.event import Kind
from pulsebot.stream.config import Topics
from tests.patience import PATIENCE_S

AT = datetime(2026, 11, 23, 10, tzinfo=UTC)
SVC = Origin("svc-a", "host-1")


@asynccontextmanager
async def _running(publisher: Publisher) -> AsyncIterator[None]:
    task = asyncio.create_task(publisher.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_topic_and_key_come_from_kind_and_service(stream: Any, tmp_path: Path) -> None:
    """Each event goes to its kind's topic, keyed by its service, in order of sequence."""
    spool = Spool(tmp_path / "s.db")
    spool.append([SVC.trigger(AT), SVC.crash(AT, "E"), SVC.trigger(AT)])
    topics = Topics(template="t.{kind}.{service}", pattern="t.*")
    publisher = Publisher(spool, lambda: stream, topics)
    async with _running(publisher):
        await asyncio.wait_for(publisher.flush(), PATIENCE_S)
    assert [(r.topic, r.key) for r in stream.records] == [
        ("t.trigger.svc-a", "svc-a"),
        ("t.crash.svc-a", "svc-a"),
        ("t.trigger.svc-a", "svc-a"),
    ]
    assert [e.sequence for e in stream.events()] == [1, 2, 3]
    assert spool.pending == 0
    spool.close()


async def test_events_wait_while_the_stream_is_down(
    stream: Any, tmp_path: Path, eventually: Callable[..., Any]
) -> None:
    """Nothing is lost or forgotten until the stream takes it, however late that is."""
    stream.down = True
    spool = Spool(tmp_path / "s.db")
    publisher = Publisher(spool, lambda: stream, Topics())
    async with _running(publisher):
        spool.append([SVC.trigger(AT)])
        publisher.notice()
        await asyncio.sleep(0.3)
        assert spool.pending == 1
        stream.down = False
        await eventually(lambda: len(stream.records) == 1)
        await asyncio.wait_for(publisher.flush(), PATIENCE_S)
    spool.close()


async def test_an_unclear_outcome_is_repeated_with_the_same_identity(
    stream: Any, tmp_path: Path
) -> None:
    """Events that may have arrived go out again under the same producer and sequence."""
    stream.lossy_acks = 1
    spool = Spool(tmp_path / "s.db")
    spool.append([SVC.trigger(AT), SVC.trigger(AT)])
    publisher = Publisher(spool, lambda: stream, Topics())
    async with _running(publisher):
        await asyncio.wait_for(publisher.flush(), PATIENCE_S)
    assert [e.sequence for e in stream.events()] == [1, 2, 1, 2]
    assert {e.producer for e in stream.events()} == {spool.producer}
    spool.close()


async def test_what_the_stream_never_takes_is_set_aside_alone_and_told(
    stream: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its neighbours arrive; a message and the log name what was lost, and why."""
    stream.most_bytes = 2000
    spool = Spool(tmp_path / "s.db")
    large = SVC.crash(AT, "E", stack="x" * 2000)
    spool.append([SVC.trigger(AT), large, SVC.trigger(AT), SVC.message(AT, "y" * 2000)])
    publisher = Publisher(spool, lambda: stream, Topics())
    async with _running(publisher):
        await asyncio.wait_for(publisher.flush(), PATIENCE_S)
        spool.append([SVC.trigger(AT)])
        publisher.notice()
        await asyncio.wait_for(publisher.flush(), PATIENCE_S)
    assert [(e.kind, e.sequence) for e in stream.events()] == [
        (Kind.TRIGGER, 1), (Kind.TRIGGER, 3), (Kind.MESSAGE, 5), (Kind.TRIGGER, 6)
    ]  # fmt: skip
    why = f"of producer {spool.producer}): a record is larger than the topic takes"
    lost = f"a crash event of svc-a was lost (sequence 2 {why}"
    assert stream.events()[2].data.text == lost
    assert lost in caplog.text
    assert f"a message event of svc-a was lost (sequence 4 {why}" in caplog.text
    spool.close()


async def test_leftover_spools_are_emptied_and_removed(
    stream: Any, tmp_path: Path, eventually: Callable[..., Any]
) -> None:
    """What dead processes could not send is sent by the next one, under their own producers."""
    folder = SpoolFolder(tmp_path)
    dead = [folder.open_own() for _ in range(3)]
    for spool in dead:
        spool.append([SVC.trigger(AT)])
    own = folder.open_own()
    for spool in dead:
        spool.close()
    publisher = Publisher(own, lambda: stream, Topics(), folder=folder)
    async with _running(publisher):
        await eventually(lambda: len(list(tmp_path.glob("*.db"))) == 1)
    assert {e.producer for e in stream.events()} == {s.producer for s in dead}
    own.close()
