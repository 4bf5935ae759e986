"""The tests' own PostgreSQL: it keeps what was committed, and is missed aloud."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from tests.postgres import provision
from tests.postgres.server import PostgresServer

PROJECT = Path(__file__).parents[2]


def test_what_was_committed_outlives_every_kind_of_end(postgres_own: PostgresServer) -> None:
    """After an immediate stop, a kill and the death of a backend, all committed rows are there."""
    with postgres_own.database() as url:
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE kept (n int)")
        for number, end in enumerate((postgres_own.stop, postgres_own.kill)):
            with psycopg.connect(url) as connection:
                connection.execute("INSERT INTO kept VALUES (%s)", (number,))
            end()
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(url)
            postgres_own.start()
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT n FROM kept ORDER BY n").fetchall() == [(0,), (1,)]
            connection.commit()
            assert postgres_own.kill_backends() == 1
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
        postgres_own.until_ready()


def test_the_server_dies_with_the_tests(postgres_own: PostgresServer) -> None:
    """When the tests' process is killed outright, its server ends too."""
    assert postgres_own.url
    script = (
        "import os, signal\n"
        "from tests.postgres import provision\n"
        "from tests.postgres.server import PostgresServer\n"
        "with PostgresServer(provision.programs()) as server:\n"
        "    print(server.url, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert _gone(done.stdout.strip())


@pytest.mark.parametrize(("ci", "code"), [("", 0), ("true", 1)])
def test_missing_postgres_is_said_aloud(tmp_path: Path, ci: str, code: int) -> None:
    """Without a server the run names its gap in one line; CI fails on it."""
    mend = f"(`make postgres` installs, or set {provision.ADDRESS})"
    script = (
        "import sys, pytest\n"
        "from tests.postgres import provision\n"
        "provision.FOLDERS = ()\n"
        "sys.exit(pytest.main(sys.argv[1:]))\n"
    )
    test = "tests/postgres/test_server.py::test_the_server_dies_with_the_tests"
    done = subprocess.run(
        [sys.executable, "-c", script, "-p", "no:cacheprovider", test],
        cwd=PROJECT,
        env=os.environ | {"PATH": str(tmp_path), "CI": ci, provision.ADDRESS: ""},
        capture_output=True,
        text=True,
        check=False,
    )
    last_words = [line for line in done.stdout.splitlines() if line.startswith("NOT RUN")]
    assert last_words == [f"NOT RUN: 1 PostgreSQL tests: no PostgreSQL server is installed {mend}"]
    assert done.returncode == code


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.0.1:5432", "write postgresql://"),
        ("postgresql://127.0.0.1:1/nothing", "onnection refused"),
    ],
)
def test_a_wrong_address_is_an_error(address: str, words: str) -> None:
    """Whoever names a server is told when it cannot be used; nothing else takes its place."""
    with pytest.raises(provision.AddressError, match=words):
        provision.external({provision.ADDRESS: address})


def test_a_given_server_is_used_as_it_is(postgres: str) -> None:
    """An address at which a server answers is passed to the tests unchanged."""
    given = provision.external({provision.ADDRESS: f" {postgres} "})
    assert given == provision.External(postgres)


def _gone(url: str) -> bool:
    for _ in range(300):
        try:
            psycopg.connect(url, connect_timeout=5).close()
        except psycopg.OperationalError:
            return True
        time.sleep(0.1)
    return False
