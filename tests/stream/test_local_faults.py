"""What can be wrong with the embedded log's file, and that it is told with the mend."""

import resource
import sqlite3
from pathlib import Path

import pytest

from pulsebot.errors import InvalidInput, StreamError
from pulsebot.stream.base import Outgoing
from pulsebot.stream.config import LocalStream, Topics
from pulsebot.stream.local import LocalReader, LocalWriter, database
from pulsebot.stream.local.appender import Appender
from tests.stream.texts import drain, outgoing

DAY_MS = 86_400_000


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
