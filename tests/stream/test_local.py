"""What is particular to the embedded log: its one file, its processes, its faults."""

import asyncio
import fcntl
import itertools
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pulsebot.errors import InvalidInput, StreamError
from pulsebot.stream.base import Gap, Outgoing, Partition, Reader, TopicPlan
from pulsebot.stream.config import LocalStream, Topics
from pulsebot.stream.local import LocalAdmin, LocalReader, LocalWriter, database, scanner
from pulsebot.stream.local import appender as appending
from pulsebot.stream.local.appender import Appender

DAY_MS = 86_400_000
PATIENCE_S = 30.0

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


@pytest.fixture
def settings(tmp_path: Path) -> LocalStream:
    """Return the settings of a new log with one topic, `t`."""
    return LocalStream(path=tmp_path / "log.db", topics=Topics(read=["t"]))


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


def outgoing(*texts: str, timestamp: int | None = None, topic: str = "t") -> list[Outgoing]:
    """Return one record for each text."""
    return [Outgoing(topic, "svc-a", text.encode(), timestamp=timestamp) for text in texts]


async def drain(reader: Reader) -> list[str]:
    """Read what there is now."""
    texts = []
    while records := await reader.read(max_records=1000, timeout_s=0):
        texts += [(record.value or b"").decode() for record in records]
    return texts


async def collect(reader: Reader, count: int) -> list[str]:
    """Read until there are `count` records; fail when they do not come."""
    texts: list[str] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(texts) < count:
            records = await reader.read(max_records=count - len(texts), timeout_s=1)
            texts += [(record.value or b"").decode() for record in records]
    return texts


def sound(path: Path) -> bool:
    """Whether SQLite finds nothing wrong with the file."""
    db = sqlite3.connect(path)
    try:
        return bool(db.execute("PRAGMA integrity_check").fetchone() == ("ok",))
    finally:
        db.close()


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
    """A record is there within a few of the longest pauses, not after the read's timeout."""
    async with LocalWriter(settings) as writer, LocalReader(settings) as reader:
        waiting = asyncio.create_task(reader.read(max_records=1, timeout_s=PATIENCE_S))
        await asyncio.wait([waiting], timeout=0.5)  # by now it looks at its slowest
        appended = time.monotonic()
        await writer.append(outgoing("now"))
        assert len(await waiting) == 1
        assert time.monotonic() - appended < 1.0


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


def test_writers_are_durable_and_readers_cannot_write(settings: LocalStream) -> None:
    """A writer syncs each commit to disk; a reader's connection refuses to change anything."""
    with database.writing(settings.path):
        db = database.open_to_write(settings.path)
        assert db.execute("PRAGMA synchronous").fetchone() == (2,)
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        db.close()
    db = database.open_to_read(settings.path)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        db.execute("INSERT INTO topics (name) VALUES ('x')")
    db.close()


def test_a_full_disk_is_told_and_nothing_is_half_written(settings: LocalStream) -> None:
    """An append that finds no space fails as a whole, and works again once there is some."""
    appender = Appender(settings.path, DAY_MS)
    appender.open()
    assert appender._db is not None
    appender.append(outgoing("0"))
    (pages,) = appender._db.execute("PRAGMA page_count").fetchone()
    appender._db.execute(f"PRAGMA max_page_count = {pages + 20}")
    with pytest.raises(StreamError, match=r"log\.db: database or disk is full; free some disk"):
        appender.append([Outgoing("t", "k", b"x" * 10_000)] * 20)
    appender._db.execute(f"PRAGMA max_page_count = {pages + 1000}")
    appender.append(outgoing("1"))
    assert appender._db.execute("SELECT offset FROM records").fetchall() == [(0,), (1,)]
    appender.close()


async def test_a_file_that_may_not_grow_is_told(settings: LocalStream) -> None:
    """The system's refusal to write more is a StreamError that names the file."""
    async with LocalWriter(settings) as writer, LocalReader(settings) as reader:
        await writer.append(outgoing("0"))
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
        try:
            with pytest.raises(StreamError, match=r"log\.db: disk I/O error; check the disk"):
                await writer.append([Outgoing("t", "k", b"x" * 100_000)] * 5)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        await writer.append(outgoing("1"))
        assert await drain(reader) == ["0", "1"]


@pytest.mark.parametrize("opener", [LocalReader, LocalWriter])
async def test_a_file_that_is_no_database_is_told(
    settings: LocalStream, opener: type[LocalReader | LocalWriter]
) -> None:
    """A text file in the log's place is named, left alone, and the mend given."""
    settings.path.write_text("these are my notes, please keep them\n" * 100)
    with pytest.raises(StreamError, match=r"log\.db: file is not a database; .* stream\.path"):
        async with opener(settings):
            pass
    assert settings.path.read_text().startswith("these are my notes")


@pytest.mark.parametrize("opener", [LocalReader, LocalWriter])
async def test_another_programs_database_is_left_alone(
    settings: LocalStream, opener: type[LocalReader | LocalWriter]
) -> None:
    """A database that is not a log is refused, with no table added to it."""
    db = sqlite3.connect(settings.path)
    db.execute("CREATE TABLE mine (x)")
    db.commit()
    with pytest.raises(StreamError, match=r"log\.db: a database of something else; .*stream\.path"):
        async with opener(settings):
            pass
    assert db.execute("SELECT name FROM sqlite_schema").fetchall() == [("mine",)]
    db.close()


async def test_a_log_of_another_layout_is_told(settings: LocalStream) -> None:
    """A log that a later pulsebot wrote is not guessed at."""
    async with LocalWriter(settings):
        pass
    db = sqlite3.connect(settings.path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StreamError, match="a log of layout 99, this pulsebot reads 1"):
        async with LocalReader(settings):
            pass


async def test_a_damaged_file_is_told(settings: LocalStream) -> None:
    """Pages overwritten by something else end in a StreamError with the mend."""
    async with LocalWriter(settings) as writer:
        await writer.append([Outgoing("t", "k", b"x" * 3000)] * 100)
    size = settings.path.stat().st_size
    with settings.path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))
    with pytest.raises(StreamError, match=r"log\.db: database disk image is malformed; .*move it"):
        async with LocalReader(settings) as reader:
            await drain(reader)


@pytest.mark.parametrize("opener", [LocalReader, LocalWriter])
async def test_a_folder_that_is_missing_is_told(
    tmp_path: Path, opener: type[LocalReader | LocalWriter]
) -> None:
    """The path and the folder to make are in the error."""
    with pytest.raises(StreamError, match=r"gone/log\.db: .*check that its folder exists"):
        async with opener(LocalStream(path=tmp_path / "gone" / "log.db")):
            pass


def test_a_pattern_that_is_none_is_told(tmp_path: Path) -> None:
    """A faulty regular expression names the setting."""
    with pytest.raises(InvalidInput, match=r"stream\.topics\.pattern '\(': .*regular expression"):
        LocalReader(LocalStream(path=tmp_path / "log.db", topics=Topics(pattern="(")))


async def test_admin_makes_topics_beforehand(settings: LocalStream) -> None:
    """A topic made beforehand is there, empty; one with records says how many."""
    plans = [TopicPlan("t", 6, 3, 7 * DAY_MS), TopicPlan("u", 1, 1, -1)]
    admin = LocalAdmin(settings)
    assert await admin.create(plans) == {"t": "created", "u": "created"}
    async with LocalWriter(settings) as writer, LocalReader(settings) as reader:
        assert await reader.ends() == {Partition("t", 0): 0}
        await writer.append(outgoing("0", "1"))
    assert (await admin.create(plans))["t"] == "exists: 1 partition, 2 records"
