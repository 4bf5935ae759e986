"""A real PostgreSQL server for tests, on a free loopback port, with a data folder of its own.

It owns its processes and its temporary folder, and nothing else: only processes that it
started are ever signalled. Every method blocks; in an async test call the slow ones by
`asyncio.to_thread`.
"""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, LiteralString, Self
from urllib.parse import urlsplit

import psutil
import psycopg
from psycopg import sql

from tests.kafka.ports import free_ports
from tests.postgres.provision import Programs

START_TIME_LIMIT_S = 90
ATTEMPTS = 5
USER = "pulsebot"

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "shared_buffers": "32MB",
    "max_connections": "50",
    # In the data folder, so that nothing stays behind in /dev/shm after a kill.
    "dynamic_shared_memory_type": "mmap",
}

_RECOVERS = "all server processes terminated; reinitializing"

# Its input ends when the process that holds the other end does.
_GUARD = """\
read -r _
kill -QUIT "$1" 2>/dev/null
rm -rf "$2"
"""


class ServerError(Exception):
    """Report a server that did not do as told; the text ends with the tail of its log."""


class Databases:
    """Databases on a server whose URL is known."""

    def __init__(self, url: str) -> None:
        self.url = url

    @contextmanager
    def database(self) -> Iterator[str]:
        """Create an empty database while entered; yields its URL."""
        name = f"pulsebot_{secrets.token_hex(6)}"
        self._command("CREATE DATABASE {}", name)
        try:
            yield urlsplit(self.url)._replace(path=f"/{name}").geturl()
        finally:
            self._command("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def _command(self, command: LiteralString, name: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.SQL(command).format(sql.Identifier(name)))


class PostgresServer(Databases):
    """A context manager: entering returns when the server serves, leaving ends and removes it."""

    def __init__(self, programs: Programs) -> None:
        self._programs = programs
        self._folder = Path()
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        super().__init__("")

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="pulsebot-postgres-"))
        try:
            self._make()
            for attempt in range(1, ATTEMPTS + 1):
                [self.port] = free_ports(1)
                try:
                    self.start()
                except ServerError:
                    if attempt == ATTEMPTS or "in use" not in self._log_text():
                        raise
                else:
                    break
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self._end(signal.SIGQUIT)
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start the server on its port, with the data that it has; return when it serves."""
        self.url = f"postgresql://{USER}@127.0.0.1:{self.port}/postgres"
        options = [f"--{name}={value}" for name, value in SETTINGS.items()]
        with self.log.open("ab") as log:
            self._process = self._popen(
                ["postgres", "-D", str(self._folder / "data"), "-p", str(self.port), *options], log
            )
        self._guard = subprocess.Popen(
            ["sh", "-c", _GUARD, "sh", str(self._process.pid), str(self._folder)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        self.until_ready()

    def until_ready(self) -> None:
        """Return when the server serves; raises ServerError where it ends instead."""
        deadline = time.monotonic() + START_TIME_LIMIT_S
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=5).close()
            except psycopg.OperationalError:
                if self._process is None or self._process.poll() is not None:
                    self._end(signal.SIGQUIT)
                    raise ServerError("ended while starting:\n" + self._log_text()) from None
                if time.monotonic() > deadline:
                    raise ServerError("not ready:\n" + self._log_text()) from None
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """End the server as `pg_ctl stop -m immediate` does: no goodbye, recovery at the start."""
        self._end(signal.SIGQUIT)

    def kill(self) -> None:
        """End the server by SIGKILL, and its backends with it; return when all are gone."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Stop all of the server in its tracks: its connections stay open, nothing answers."""
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):  # a worker that had just done its work
                process.suspend()

    def thaw(self) -> None:
        """Let a frozen server go on."""
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                process.resume()

    def heal(self) -> None:
        """Thaw or start what a test froze or ended; return when it serves."""
        self.thaw()
        if self._process is None or self._process.poll() is not None:
            self.start()

    def kill_backends(self) -> int:
        """Kill -9 the processes that serve connections; return how many there were.

        The server then ends all others too and recovers as after a crash: has begun to, on
        return.
        """
        before = self._recoveries()
        with psycopg.connect(self.url, autocommit=True) as connection:
            found = connection.execute(
                "SELECT pid FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            ).fetchall()
            killed = sum(_killed(pid) for (pid,) in found)
            deadline = time.monotonic() + START_TIME_LIMIT_S
            while killed and self._recoveries() == before:
                if time.monotonic() > deadline:
                    raise ServerError("does not recover:\n" + self._log_text())
                time.sleep(0.02)
        return killed

    def _recoveries(self) -> int:
        return self.log.read_text(errors="replace").count(_RECOVERS)

    @property
    def log(self) -> Path:
        """What the server has said."""
        return self._folder / "server.log"

    def _make(self) -> None:
        if self._programs.account:
            shutil.chown(self._folder, self._programs.account, None)
        with self.log.open("ab") as log:
            arguments = ["-D", str(self._folder / "data"), "-U", USER, "-A", "trust", "--no-sync"]
            made = self._popen(["initdb", *arguments, "-E", "UTF8", "--no-locale"], log)
        if made.wait():
            raise ServerError(self._log_text())

    def _popen(self, command: list[str], log: Any) -> subprocess.Popen[bytes]:
        account = self._programs.account
        other: dict[str, Any] = {}
        if account:
            group = pwd.getpwnam(account).pw_gid
            other = {"user": account, "group": group, "extra_groups": ()}
        return subprocess.Popen(
            [str(self._programs.folder / command[0]), *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=self._folder,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"},
            start_new_session=True,  # Ctrl-C is for the tests, which end the server themselves
            **other,
        )

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self.thaw()
            backends = self._processes()[1:]
            self._process.send_signal(number)
            if number is signal.SIGKILL:
                for backend in backends:
                    with suppress(psutil.NoSuchProcess):
                        backend.kill()
            self._process.wait(timeout=START_TIME_LIMIT_S)
            psutil.wait_procs(backends, timeout=START_TIME_LIMIT_S)
            self._process = None
        if self._guard is not None:
            self._guard.kill()
            self._guard.communicate()
            self._guard = None

    def _processes(self) -> list[psutil.Process]:
        """Return the server's process and its own: until all are gone it cannot start again."""
        if self._process is None or self._process.poll() is not None:
            return []
        main = psutil.Process(self._process.pid)
        return [main, *main.children()]

    def _log_text(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-40:])


def _killed(pid: int) -> bool:
    """Kill a process; return whether it was still there."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True
