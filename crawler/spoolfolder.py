"""A folder of spools that several processes share, one file for each.

Each file is held by a lock (`flock`) as long as its owner lives. A new process goes on with
a file that nobody holds, so that a producer survives restarts; files that are left over
besides are drained and removed by whoever finds them. After a fork the child holds nothing.

This module must not know what is in a spool.
"""

import fcntl
import os
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path

from crawler.spool import Limits, Spool
from pulsebot.errors import StoreError

_PATTERN = "spool-*.db"


class HeldSpool(Spool):
    """A spool whose file this process alone holds."""

    def __init__(self, path: Path, limits: Limits, lock: int) -> None:
        super().__init__(path, limits)
        self._lock: int | None = lock
        self._file = path
        _held.add(self)

    def close(self) -> None:
        """Close the file and let another process have it."""
        super().close()
        self._release()

    def remove(self) -> None:
        """Close and delete the file; only for a spool that is empty and will not be used again."""
        super().close()
        _delete(self._file)
        self._release()

    def _release(self) -> None:
        _held.discard(self)
        if self._lock is not None:
            _unlock(self._lock)
            self._lock = None

    def _abandon(self) -> None:
        # In a forked child: the connection must be neither used nor closed (SQLite).
        _abandoned.append(self._db)
        self._lock = None


_held: set[HeldSpool] = set()
_abandoned: list[sqlite3.Connection] = []
_locks: set[int] = set()
"""Descriptors of all locks that we hold, also of a spool that is just being opened."""


def _after_fork() -> None:
    for spool in _held:
        spool._abandon()  # noqa: SLF001 - the fork handler is part of the class's own business
    _held.clear()
    # Inherited, they would keep the locks alive after the parent's death.
    for lock in list(_locks):
        _unlock(lock)


os.register_at_fork(after_in_child=_after_fork)


class SpoolFolder:
    """The spools under one path. Raises StoreError when the folder cannot be used."""

    def __init__(self, path: Path, limits: Limits | None = None) -> None:
        self.path = path.absolute()
        self._limits = limits or Limits()

    def open_own(self) -> HeldSpool:
        """Return a spool for this process: one that nobody holds, else a new one."""
        for spool in self.leftovers():
            return spool
        while True:
            path = self.path / f"spool-{uuid.uuid4().hex[:12]}.db"
            if (new := self._hold(path)) is not None:
                return new

    def open_named(self, name: str) -> HeldSpool:
        """Return the spool of this name, which nobody adopts while its owner is away.

        Raises StoreError where another process holds it.
        """
        self._make()
        path = self.path / f"{name}.db"
        spool = self._hold(path) or self._hold(path)
        if spool is None:
            raise StoreError(
                f"{path} is in use by another crawler; stop it, or set another spool.path"
            )
        return spool

    def leftovers(self) -> Iterator[HeldSpool]:
        """Yield the spools that nobody holds, each now held by us: close or remove each."""
        self._make()
        for path in sorted(self.path.glob(_PATTERN)):
            try:
                spool = self._hold(path, create=False)
            except StoreError as error:
                if isinstance(error.__cause__, PermissionError):
                    continue  # another user's, who looks after it
                raise
            if spool is not None:
                yield spool

    def _make(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot use the spool folder {self.path}: {error}") from error

    def _hold(self, path: Path, *, create: bool = True) -> HeldSpool | None:
        lock = _lock(path.with_suffix(".lock"))
        if lock is None:
            return None
        if not create and not path.exists():
            # Its owner removed it between our look and our lock.
            path.with_suffix(".lock").unlink(missing_ok=True)
            _unlock(lock)
            return None
        try:
            return HeldSpool(path, self._limits, lock)
        except StoreError as error:
            damaged = isinstance(error.__cause__, sqlite3.DatabaseError) and not isinstance(
                error.__cause__, sqlite3.OperationalError
            )
            if damaged:
                # Kept for a person to look at, and out of the way of every later start.
                path.rename(path.with_suffix(".damaged"))
            _unlock(lock)
            if damaged and not create:
                return None
            raise
        except BaseException:
            _unlock(lock)
            raise


def _lock(path: Path) -> int | None:
    """Take the lock file at once or not at all; closing the descriptor gives it back."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"cannot use the spool folder {path.parent}: {error}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_ino == path.stat().st_ino:
            _locks.add(descriptor)
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass  # held by another process, or removed by it just now
    os.close(descriptor)
    return None


def _unlock(lock: int) -> None:
    _locks.discard(lock)
    os.close(lock)


def _delete(path: Path) -> None:
    for suffix in (".db", ".db-wal", ".db-shm", ".lock"):
        path.with_suffix(suffix).unlink(missing_ok=True)
