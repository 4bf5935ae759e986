"""The socket file beside the database: where it is, and addresses that fit into one.

A path may be longer than the address of a socket; Linux lets us name it by its folder's
descriptor then. This module must not know what is said over the socket.
"""

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pulsebot.errors import InvalidInput

LONGEST = 103
"""Bytes of an address: `sun_path` holds 108 on Linux and 104 elsewhere, with a zero at the end."""

_DESCRIPTORS = Path("/proc/self/fd")


def beside(database: Path) -> Path:
    """Return the socket file of a database."""
    return Path(f"{database.absolute()}.sock")


def bound(path: Path) -> socket.socket:
    """Bind a socket that only this user may connect to; it does not listen yet.

    The caller holds the database's lock, so that a socket file that is there belongs to a
    process that died. Raises OSError or InvalidInput where there can be none.
    """
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _address(path) as address:
            listener.bind(address)
        path.chmod(0o600)  # in time: who connects to a socket that does not listen is refused
    except BaseException:
        listener.close()
        raise
    return listener


def connected(path: Path) -> socket.socket | None:
    """Connect; None where nobody listens. Raises InvalidInput where we may not."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _address(path) as address:
            connection.connect(address)
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    except PermissionError:
        connection.close()
        raise InvalidInput(f"{path}: belongs to another user; ask as the one who runs it") from None
    except BaseException:
        connection.close()
        raise
    connection.setblocking(False)
    return connection


def _remove_stale(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise InvalidInput(f"{path}: is in the way of the bot's socket; move it elsewhere")
    path.unlink()


@contextmanager
def _address(path: Path) -> Iterator[str]:
    if _fits(str(path)):
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        near = str(_DESCRIPTORS / str(folder) / path.name)
        if not (_DESCRIPTORS.is_dir() and _fits(near)):
            size = len(os.fsencode(path))
            raise InvalidInput(
                f"{path}: too long for a socket ({size} bytes; {LONGEST} fit);"
                " give the `database` a shorter path"
            )
        yield near
    finally:
        os.close(folder)


def _fits(address: str) -> bool:
    return len(os.fsencode(address)) <= LONGEST
