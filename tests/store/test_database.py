import asyncio
import sqlite3
from pathlib import Path

import pytest

from pulsebot.errors import StoreError
from pulsebot.store.database import Connection, Database, connect, migrate


def _insert(connection: Connection, name: str) -> None:
    connection.execute("INSERT INTO service VALUES (?, 1, 1, 0)", (name,))


def _names(connection: Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT service FROM service ORDER BY service")]


async def test_write_commits_and_read_sees_it(tmp_path: Path) -> None:
    """What a write returned from is what the next read sees."""
    async with Database(tmp_path / "a.db") as database:
        await database.write(_insert, "svc-a")
        assert await database.read(_names) == ["svc-a"]


async def test_failed_write_leaves_nothing(tmp_path: Path) -> None:
    """A write that raises takes back all that it did."""

    def half(connection: Connection) -> None:
        _insert(connection, "svc-a")
        raise ValueError("stop")

    async with Database(tmp_path / "a.db") as database:
        with pytest.raises(ValueError, match="stop"):
            await database.write(half)
        assert await database.read(_names) == []


async def test_reader_cannot_write(tmp_path: Path) -> None:
    """Reading connections are read-only by construction."""
    async with Database(tmp_path / "a.db") as database:
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            await database.read(_insert, "svc-a")


async def test_reader_sees_one_snapshot(tmp_path: Path) -> None:
    """A read does not see what is committed while it runs."""
    async with Database(tmp_path / "a.db") as database:
        loop = asyncio.get_running_loop()

        def twice(connection: Connection) -> tuple[list[str], list[str]]:
            before = _names(connection)
            asyncio.run_coroutine_threadsafe(database.write(_insert, "svc-a"), loop).result()
            return before, _names(connection)

        assert await database.read(twice) == ([], [])
        assert await database.read(_names) == ["svc-a"]


async def test_second_process_is_refused(tmp_path: Path) -> None:
    """One database serves one bot at a time, and the second is told so."""
    async with Database(tmp_path / "a.db"):
        with pytest.raises(StoreError, match="another pulsebot"):
            async with Database(tmp_path / "a.db"):
                pass


async def test_can_be_opened_again_after_a_refusal(tmp_path: Path) -> None:
    """A refused start leaves nothing open behind."""
    async with Database(tmp_path / "a.db"):
        with pytest.raises(StoreError):
            await Database(tmp_path / "a.db").__aenter__()
    async with Database(tmp_path / "a.db") as database:
        assert await database.read(_names) == []


def test_not_a_database_is_named(tmp_path: Path) -> None:
    """A file of something else is refused by name."""
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to be looked at" * 50)
    with pytest.raises(StoreError, match=r"notes\.txt"):
        connect(path)


def test_migrating_twice_changes_nothing(tmp_path: Path) -> None:
    """A file that is up to date stays as it is."""
    connection = connect(tmp_path / "a.db")
    migrate(connection, tmp_path / "a.db")
    before = connection.execute("SELECT sql FROM sqlite_schema ORDER BY name").fetchall()
    migrate(connection, tmp_path / "a.db")
    assert connection.execute("SELECT sql FROM sqlite_schema ORDER BY name").fetchall() == before
    connection.close()


def test_file_of_a_later_version_is_refused(tmp_path: Path) -> None:
    """A schema that this version does not know is not touched."""
    path = tmp_path / "a.db"
    connection = connect(path)
    migrate(connection, path)
    connection.execute(
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES"
        " ('pulsebot', 'of_tomorrow', '2030-01-01')"
    )
    with pytest.raises(StoreError, match="later version"):
        migrate(connection, path)
    connection.close()
