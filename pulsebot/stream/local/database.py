"""The log's file: schema, connections, the writers' lock, and what SQLite's errors mean.

Each topic is one lane, partition 0. Offsets grow by one; `earliest` and `next` of a topic
bound what is retained: [earliest, next). A record's `position` is its place in append order
over all topics, and the next position is the sum of all `next`: so it needs no counter of its
own, and does not start again when retention empties the table.

The file is in WAL mode, so that readers never wait for writers. SQLite from 3.7.0 to 3.51.2
has a race there (sqlite.org/wal.html, "the WAL-reset bug"): a checkpoint that runs while
another connection's commit starts the WAL over can leave committed pages out of the database
for ever. Python still ships such versions. It takes two connections that commit or checkpoint
at the same moment, so here they never do: automatic checkpoints are off, and every commit,
checkpoint and close of a writing connection happens under one lock between processes (`flock`
on the file `…-lock`). Readers open the file read-only and cannot checkpoint.

Durability: writers commit with `synchronous=FULL`, so an acknowledged append is on disk and
survives a power cut as far as the disk keeps its word about fsync. The death of a process
alone never loses anything that was acknowledged. The file belongs on a local disk: neither
WAL nor the lock works over a network file system.

This module must not know what a record is used for.
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pulsebot.errors import StreamError
from pulsebot.stream.forking import whole

APPLICATION_ID = 0x70756C73
"""Marks the file as a pulsebot log: "puls"."""

VERSION = 1
"""Layout of the tables; kept as the file's user_version."""

LOCKED_FOR_S = 10.0
"""How long an append waits for other processes before it gives up."""

_SCHEMA = f"""
PRAGMA journal_mode = WAL;
BEGIN IMMEDIATE;
CREATE TABLE topics (
    id       INTEGER PRIMARY KEY,
    name     TEXT    NOT NULL UNIQUE,
    earliest INTEGER NOT NULL DEFAULT 0,
    next     INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE records (
    position  INTEGER PRIMARY KEY,
    topic     INTEGER NOT NULL REFERENCES topics,
    offset    INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    key       TEXT    NOT NULL,
    headers   BLOB,
    value     BLOB    NOT NULL
) STRICT;
CREATE INDEX lanes ON records (topic, offset, timestamp);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
COMMIT;
"""

_MENDS = {
    sqlite3.SQLITE_BUSY: "another process keeps the log locked; stop it if it hangs",
    sqlite3.SQLITE_CANTOPEN: "check that its folder exists and may be written",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; move it away, a new log is started",
    sqlite3.SQLITE_FULL: "free some disk space, or lower topics.retention_days",
    sqlite3.SQLITE_IOERR: "check the disk and its free space",
    sqlite3.SQLITE_NOTADB: "the file is no pulsebot log; set stream.path to another file",
    sqlite3.SQLITE_PERM: "check the permissions of the file and its folder",
    sqlite3.SQLITE_READONLY: "make the file and its folder writable for this user",
}


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what SQLite and the system raise into a StreamError that names file and mend."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        mend = _MENDS.get(code, "see if another program has changed the file")
        raise StreamError(f"{path}: {error}; {mend}") from error
    except OSError as error:
        raise StreamError(
            f"{path}: {error.strerror}; check that its folder exists and may be written"
        ) from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Hold the lock under which every commit, checkpoint and close happens (see above)."""
    # Opened to read: enough for flock, and another user's processes may then share the log.
    lock = os.open(f"{path}-lock", os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _lock(lock, path)
        with whole():
            yield
    finally:
        # Said aloud, not left to close(): a child forked just now has a copy of the descriptor.
        fcntl.flock(lock, fcntl.LOCK_UN)
        os.close(lock)


def _lock(lock: int, path: Path) -> None:
    deadline = time.monotonic() + LOCKED_FOR_S
    pause = 0.0005
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                mend = _MENDS[sqlite3.SQLITE_BUSY]
                raise StreamError(f"{path}: locked for {LOCKED_FOR_S:g} s; {mend}") from None
        time.sleep(pause)
        pause = min(pause * 2, 0.01)


def open_to_write(path: Path) -> sqlite3.Connection:
    """Open the log for appending, and make it where it is missing. Call it under `writing`."""
    db = sqlite3.connect(path, timeout=LOCKED_FOR_S, isolation_level=None)
    try:
        if _is_empty(db):
            db.executescript(_SCHEMA)
        _check(db, path)
        db.execute("PRAGMA wal_autocheckpoint = 0")
        db.execute("PRAGMA synchronous = FULL")
    except BaseException:
        db.close()
        raise
    return db


def open_to_read(path: Path) -> sqlite3.Connection:
    """Open the log for reading, and make it where it is missing."""
    if not path.exists() or path.stat().st_size == 0:
        with writing(path):
            open_to_write(path).close()
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=LOCKED_FOR_S, isolation_level=None
    )
    try:
        if _is_empty(db):
            # Another process is making it just now, or died over that.
            with writing(path):
                open_to_write(path).close()
        _check(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _is_empty(db: sqlite3.Connection) -> bool:
    (objects,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    (application,) = db.execute("PRAGMA application_id").fetchone()
    return bool(objects == 0 and application == 0)


def _check(db: sqlite3.Connection, path: Path) -> None:
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        mend = _MENDS[sqlite3.SQLITE_NOTADB]
        raise StreamError(f"{path}: a database of something else; {mend}")
    if version != VERSION:
        raise StreamError(
            f"{path}: a log of layout {version}, this pulsebot reads {VERSION}; "
            "use the pulsebot that wrote it, or move the file away"
        )


def is_same_file(path: Path, inode: int) -> bool:
    """Tell whether `path` is still the file that was opened (not removed or replaced)."""
    try:
        return path.stat().st_ino == inode
    except FileNotFoundError:
        return False
