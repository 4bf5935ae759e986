"""Several processes at one embedded log: turns, locks, and the side file they share."""

import asyncio
import fcntl
import itertools
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pulsebot.errors import StreamError
from pulsebot.stream.base import Outgoing, Partition
from pulsebot.stream.config import LocalStream
from pulsebot.stream.local import LocalReader, LocalWriter, database
from pulsebot.stream.local import appender as appending
from pulsebot.stream.local.appender import Appender
from tests.patience import PATIENCE_S
from tests.stream.texts import collect, drain, outgoing, sound

DAY_MS = 86_400_000

PRODUCER = """
import asyncio, sys
from pathlib import Path
from pulsebot.stream.base import Outgoing
from pulsebot.stream.config import LocalStream
from pulsebot.stream.local import LocalWriter

async def main(path, name, batches, size):
    async with LocalWriter(LocalStream(path=Path(path))) as writer:
        print("ready", flush=True)
        sys.stdin.readline()
        for batch in range(int(batches)):
            numbers = range(batch * int(size), (batch + 1) * int(size))
            await writer.append([Outgoing("t", name, f"{name} {n}".encode()) for n in numbers])
            print(numbers[-1], flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


@contextmanager
def producer(path: Path, name: str, *, batches: int, size: int) -> Iterator[subprocess.Popen[str]]:
    """Run another process that appends as soon as it reads a line."""
    with subprocess.Popen(
        [sys.executable, "-c", PRODUCER, str(path), name, str(batches), str(size)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def start(process: subprocess.Popen[str]) -> None:
    """Let a producer begin."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


async def test_several_processes_lose_nothing_and_take_turns(settings: LocalStream) -> None:
    """Four processes at once: all records are there, each process's in order, interleaved."""
    names = "abcd"
    async with LocalReader(settings) as reader:
        with (
            producer(settings.path, "a", batches=150, size=20) as one,
            producer(settings.path, "b", batches=150, size=20) as two,
            producer(settings.path, "c", batches=150, size=20) as three,
            producer(settings.path, "d", batches=150, size=20) as four,
        ):
            for process in (one, two, three, four):
                start(process)
            texts = await collect(reader, 4 * 150 * 20)
            for process in (one, two, three, four):
                process.communicate(timeout=PATIENCE_S)
                assert process.returncode == 0
        assert await drain(reader) == []
        assert await reader.ends() == {Partition("t", 0): len(texts)}
    for name in names:
        assert [t for t in texts if t[0] == name] == [f"{name} {n}" for n in range(3000)]
    turns = sum(before[0] != after[0] for before, after in itertools.pairwise(texts))
    assert turns > len(names)
    assert sound(settings.path)


async def test_a_killed_producer_leaves_all_it_was_acknowledged(settings: LocalStream) -> None:
    """After kill -9 amid appending, every acknowledged record is there, in whole batches."""
    rounds = 6
    for number in range(rounds):
        with producer(settings.path, f"p{number}", batches=100_000, size=50) as process:
            assert process.stdout is not None
            start(process)
            for _ in range(5 + number):
                acknowledged = int(process.stdout.readline())
            process.send_signal(signal.SIGKILL)
            acknowledged = max([acknowledged, *map(int, process.stdout.read().split())])
        async with LocalReader(settings) as reader:
            texts = [t for t in await drain(reader) if t.startswith(f"p{number} ")]
        assert texts == [f"p{number} {n}" for n in range(len(texts))]
        assert len(texts) > acknowledged
        assert len(texts) % 50 == 0
    async with LocalWriter(settings) as writer, LocalReader(settings) as reader:
        before = await reader.ends()
        await writer.append(outgoing("after"))
        assert (await reader.ends())[Partition("t", 0)] == before[Partition("t", 0)] + 1
    assert sound(settings.path)


async def test_a_reader_never_waits_for_a_writer(settings: LocalStream) -> None:
    """While another process holds the writers' lock, what is there can be read."""
    async with LocalWriter(settings) as writer, LocalReader(settings) as reader:
        await writer.append(outgoing("one"))
        with database.writing(settings.path):
            assert await collect(reader, 1) == ["one"]
            assert await reader.ends() == {Partition("t", 0): 1}


async def test_a_writer_waits_for_its_turn(settings: LocalStream) -> None:
    """An append goes through once another process lets go of the lock."""
    async with LocalWriter(settings) as writer, LocalReader(settings) as reader:
        with database.writing(settings.path):
            appending_ = asyncio.create_task(writer.append(outgoing("one")))
            await asyncio.wait([appending_], timeout=0.05)
            assert not appending_.done()
        await appending_
        assert await collect(reader, 1) == ["one"]


async def test_a_lock_that_is_never_released_is_told(
    settings: LocalStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that hangs with the lock makes appends fail in time, with the mend."""
    async with LocalWriter(settings) as writer:
        monkeypatch.setattr(database, "LOCKED_FOR_S", 0.05)
        with (
            database.writing(settings.path),
            pytest.raises(StreamError, match=r"log\.db: locked for 0\.05 s; another process"),
        ):
            await writer.append(outgoing("one"))
        await writer.append(outgoing("two"))


def test_only_the_lock_holder_touches_the_write_ahead_log(settings: LocalStream) -> None:
    """Commits, checkpoints and closes of a writer are done under the lock between processes."""
    appender = Appender(settings.path, DAY_MS)
    appender.open()
    held: Counter[bool] = Counter()
    assert appender._db is not None

    def watch(statement: str) -> None:
        if statement.startswith(("COMMIT", "PRAGMA wal_checkpoint")):
            held[is_locked(settings.path)] += 1

    appender._db.set_trace_callback(watch)
    assert appender._db.execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)
    appender._checkpoint_at = 1
    appender.append(outgoing("0"))
    appender.close()
    assert held == {True: 2}


def is_locked(path: Path) -> bool:
    """Whether somebody holds the writers' lock."""
    lock = os.open(f"{path}-lock", os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


async def test_the_write_ahead_log_is_copied_back(
    settings: LocalStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The side file stays bounded while readers come and go."""
    monkeypatch.setattr(appending, "CHECKPOINT_BYTES", 100_000)
    wal = Path(f"{settings.path}-wal")
    sizes = []
    async with LocalWriter(settings) as writer, LocalReader(settings) as reader:
        for _ in range(60):
            await writer.append([Outgoing("t", "k", b"x" * 20_000)])
            await drain(reader)
            sizes.append(wal.stat().st_size)  # noqa: ASYNC240 - a quick look
    assert max(sizes) < 8 * 100_000
    assert settings.path.stat().st_size > 60 * 20_000


async def test_a_reader_in_the_way_of_the_copy_stops_nobody(
    settings: LocalStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program's long read delays the copy, not the appends, and nothing is lost."""
    monkeypatch.setattr(appending, "READERS_FOR_MS", 1)
    async with LocalWriter(settings) as writer, LocalReader(settings) as reader:
        await writer.append(outgoing("0"))
        writer._appender._checkpoint_at = 1
        other = sqlite3.connect(settings.path, isolation_level=None)
        other.execute("BEGIN")
        assert other.execute("SELECT count(*) FROM records").fetchone() == (1,)
        for n in range(1, 20):
            await writer.append(outgoing(str(n)))
        other.close()
        await writer.append(outgoing("20"))
        assert await drain(reader) == [str(n) for n in range(21)]
