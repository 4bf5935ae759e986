import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crawler.origin import Origin
from crawler.spoolfolder import SpoolFolder

AT = datetime(2026, 11, 23, 10, tzinfo=UTC)


def test_two_owners_never_share_a_spool(tmp_path: Path) -> None:
    """A second owner in the same folder gets a file and a producer of its own."""
    first, second = SpoolFolder(tmp_path).open_own(), SpoolFolder(tmp_path).open_own()
    assert first.producer != second.producer
    first.close()
    second.close()


def test_the_next_owner_goes_on_with_the_same_producer(tmp_path: Path) -> None:
    """A spool that was closed is used again, so that a producer survives restarts."""
    first = SpoolFolder(tmp_path).open_own()
    first.append([Origin("svc-a").trigger(AT)])
    first.close()
    second = SpoolFolder(tmp_path).open_own()
    assert (second.producer, second.pending) == (first.producer, 1)
    second.close()


def test_spools_of_dead_processes_are_found_and_removed(tmp_path: Path) -> None:
    """A process killed with its spool open leaves it for others; those that live keep theirs."""
    code = (
        "import os, sys; from pathlib import Path; from crawler.spoolfolder import SpoolFolder\n"
        "from crawler.origin import Origin; from datetime import datetime, UTC\n"
        "s = SpoolFolder(Path(sys.argv[1])).open_own()\n"
        "s.append([Origin('svc-a').trigger(datetime.now(UTC))]); os.kill(os.getpid(), 9)"
    )
    mine = SpoolFolder(tmp_path).open_own()
    killed = subprocess.run([sys.executable, "-c", code, tmp_path], check=False)
    assert killed.returncode == -9
    (left,) = SpoolFolder(tmp_path).leftovers()
    assert left.pending == 1
    assert left.producer != mine.producer
    left.remove()
    assert sorted(p.suffix for p in tmp_path.iterdir() if left.path.stem in p.name) == []
    assert list(SpoolFolder(tmp_path).leftovers()) == []
    mine.close()


def test_a_forked_child_does_not_keep_its_parents_lock(tmp_path: Path) -> None:
    """When the parent is done with a spool, it is free although a child of it still runs."""
    spool = SpoolFolder(tmp_path).open_own()
    ready, go = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.write(ready[1], b"x")
        os.read(go[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    spool.close()
    again = SpoolFolder(tmp_path).open_own()
    assert again.producer == spool.producer
    os.write(go[1], b"x")
    os.waitpid(child, 0)
    again.close()
    for end in (*ready, *go):
        os.close(end)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")
def test_users_who_share_a_folder_leave_each_others_spools_alone() -> None:
    """The service of one user does not keep that of another from its own spool."""
    with tempfile.TemporaryDirectory() as name:
        folder = SpoolFolder(Path(name))
        folder.path.chmod(0o1777)
        folder.open_own().close()
        os.seteuid(65534)
        try:
            own = folder.open_own()
            own.append([Origin("svc-a").trigger(AT)])
            own.close()
        finally:
            os.seteuid(0)
        assert len(list(folder.path.glob("*.db"))) == 2


def test_a_damaged_spool_is_set_aside(tmp_path: Path) -> None:
    """A file that is no database does not keep the crawler from starting, and is kept."""
    (tmp_path / "spool-0.db").write_bytes(b"not a database, only text " * 100)
    spool = SpoolFolder(tmp_path).open_own()
    assert spool.pending == 0
    assert (tmp_path / "spool-0.damaged").exists()
    spool.close()
