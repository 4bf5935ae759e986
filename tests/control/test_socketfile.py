import os
import stat
from pathlib import Path

import pytest

from pulsebot.control import socketfile
from pulsebot.errors import InvalidInput


def answers(path: Path) -> bool:
    """Bind a socket, and tell whether it can be reached by its path."""
    with socketfile.bound(path) as listener:
        listener.listen()
        connection = socketfile.connected(path)
        if connection:
            connection.close()
        return connection is not None


def test_only_its_own_user_may_connect(tmp_path: Path) -> None:
    """Whoever may connect may drop views, so the file's mode is 0600 whatever the umask."""
    earlier = os.umask(0)
    try:
        with socketfile.bound(tmp_path / "a.db.sock"):
            mode = (tmp_path / "a.db.sock").stat().st_mode
    finally:
        os.umask(earlier)
    assert stat.S_IMODE(mode) == 0o600


def test_what_a_killed_bot_left_is_replaced(tmp_path: Path) -> None:
    """Nobody answers at a stale file, and the next bot takes its place."""
    path = tmp_path / "a.db.sock"
    socketfile.bound(path).close()
    assert path.exists()
    assert socketfile.connected(path) is None
    assert answers(path)


def test_where_no_bot_ever_ran_nobody_answers(tmp_path: Path) -> None:
    """A missing file is no error."""
    assert socketfile.connected(tmp_path / "none.db.sock") is None


def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    """Something that is no socket is never deleted."""
    path = tmp_path / "a.db.sock"
    path.write_text("mine")
    with pytest.raises(InvalidInput, match="in the way"):
        socketfile.bound(path)
    assert path.read_text() == "mine"


def test_a_path_longer_than_an_address_works(tmp_path: Path) -> None:
    """Deep folders are usual; a socket's address takes about a hundred bytes."""
    folder = tmp_path / ("deep" * 20) / ("folder" * 20)
    folder.mkdir(parents=True)
    assert answers(folder / "a.db.sock")


def test_a_name_that_can_never_fit_is_told(tmp_path: Path) -> None:
    """The error says how long it is and what to change; nothing stays behind."""
    path = tmp_path / f"{'x' * 150}.sock"
    with pytest.raises(InvalidInput, match=r"too long for a socket .*shorter path"):
        socketfile.bound(path)
    assert not path.exists()
