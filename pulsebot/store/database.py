"""The database file: one writer thread, read-only readers, one process.

All writing goes through `write`, which runs one function in one `BEGIN IMMEDIATE`
transaction on the only writing connection. Readers see the last committed state and can
never hold the writer up (WAL). This module must not know any table.
"""

import asyncio
import fcntl
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Concatenate, ParamSpec, Self, TextIO, TypeVar

import sqlite_utils

from pulsebot.errors import StoreError
from pulsebot.store.schema import migrations

P = ParamSpec("P")
T = TypeVar("T")
Connection = sqlite3.Connection

READERS = 2
BUSY_TIMEOUT_S = 30.0
CHECKPOINT_PAGES = 8_000
"""Pages (4 KiB) of WAL between checkpoints: each waits for the disk, so they are made rare."""

CACHE_KIB = 4_096
"""Of each connection; more was no quicker: the system keeps the file in memory as well."""


def connect(path: Path, *, read_only: bool = False) -> Connection:
    """Open the file; raises StoreError that names it.

    A writing connection uses WAL with synchronous=NORMAL: after a power cut the last
    transactions may be missing as a whole, offsets included, so they are consumed again.
    """
    mode = "ro" if read_only else "rwc"
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            isolation_level=None,
            timeout=BUSY_TIMEOUT_S,
            check_same_thread=False,
            cached_statements=512,
        )
        connection.execute("PRAGMA query_only=ON" if read_only else "PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.Error as error:
        raise StoreError(f"{path}: cannot be opened as a database: {error}") from error
    return connection


def migrate(connection: Connection, path: Path) -> None:
    """Bring the file up to the schema of this version; refuses a file of a later one."""
    known = {migration.name for migration in migrations.pending(_empty())}
    db = sqlite_utils.Database(connection)
    applied = {migration.name for migration in migrations.applied(db)}
    if applied - known:
        raise StoreError(f"{path}: was written by a later version of pulsebot; upgrade first")
    try:
        migrations.apply(db)
    except sqlite3.Error as error:
        raise StoreError(f"{path}: cannot be migrated: {error}") from error


def _empty() -> sqlite_utils.Database:
    return sqlite_utils.Database(memory=True)


@contextmanager
def transaction(connection: Connection) -> Iterator[Connection]:
    """Hold the write lock from the first statement on; commit, or roll back on any error."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


class ReadOnly:
    """The file for asking only, also beside the process that writes it.

    An async context manager.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")
        self._local = threading.local()
        self._opened: list[Connection] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._release()

    def _release(self) -> None:
        self._readers.shutdown()
        for connection in self._opened:
            connection.close()

    async def read(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `work(connection, …)` on a read-only connection, on one consistent snapshot."""

        def run() -> T:
            connection = self._reading()
            connection.execute("BEGIN")
            try:
                return work(connection, *args, **kwargs)
            finally:
                connection.execute("ROLLBACK")

        return await asyncio.get_running_loop().run_in_executor(self._readers, run)

    def _reading(self) -> Connection:
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = connect(self.path, read_only=True)
            self._opened.append(connection)
        return connection


class Database(ReadOnly):
    """The file for reading and writing, for one process at a time."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._lock: TextIO | None = None

    async def __aenter__(self) -> Self:
        try:
            self._lock = lock(self.path)
            loop = asyncio.get_running_loop()
            self._connection = await loop.run_in_executor(self._writer, self._open)
        except BaseException:
            self._release()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        await asyncio.get_running_loop().run_in_executor(self._writer, self._connection.close)
        self._release()

    def _open(self) -> Connection:
        connection = connect(self.path)
        migrate(connection, self.path)
        return connection

    def _release(self) -> None:
        self._writer.shutdown()
        super()._release()
        if self._lock:
            self._lock.close()

    async def write(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `work(connection, …)` in one transaction of the writer thread, in call order.

        Cancelling the caller does not undo work that has begun.
        """

        def run() -> T:
            with transaction(self._connection) as connection:
                return work(connection, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._writer, run)


def lock(path: Path) -> TextIO:
    """Take the file for this process until the answer is closed; raises StoreError if taken."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        held = Path(f"{path}.lock").open("w")  # noqa: SIM115 - held for the life of the process
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        held.close()
        raise StoreError(
            f"{path}: another pulsebot is using it; stop that one, or set another `database`"
        ) from None
    return held
