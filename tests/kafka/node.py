"""One Kafka node as a process: started, waited for, killed, frozen, started again."""

import signal
import subprocess
import time
from pathlib import Path

from tests.kafka.machine import Machine, send
from tests.kafka.properties import LOG4J2
from tests.patience import PATIENCE_S

_STARTED = "Kafka Server started"
# Without the optimizing compiler a node costs 5 s of processor time to start instead of 8.
_QUICK = "-XX:TieredStopAtLevel=1"
# Its input ends when the process that holds the other end does.
_GUARD = """\
folder=$1; shift
read -r _
"$@"
rm -rf "$folder"
rmdir "${folder%/*}" 2>/dev/null
"""


class BrokerError(Exception):
    """Report a broker that did not do as told; the text ends with the tail of its log."""


class PortTaken(BrokerError):
    """Report that another process was quicker to take one of the broker's ports."""


class Node:
    """One node with its own folder; every run of it appends to `kafka.log` there.

    A `steady` node starts slower and serves faster.
    """

    def __init__(
        self, machine: Machine, name: str, folder: Path, properties: str, *, steady: bool = False
    ) -> None:
        self._machine = machine
        self._flags = [] if steady else [_QUICK]
        self._name = name
        self._folder = folder
        self._runs = 0
        self._seen = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self.log = folder / "kafka.log"
        folder.mkdir(parents=True)
        (folder / "log4j2.xml").write_text(LOG4J2)
        (folder / "server.properties").write_text(properties)

    @property
    def running(self) -> bool:
        """Tell whether the node's process lives (frozen or not)."""
        return self._process is not None and self._process.poll() is None

    def format(self, cluster_id: str) -> subprocess.Popen[bytes]:
        """Begin to prepare the data folder; the caller waits for the process."""
        arguments = ["kafka.tools.StorageTool", "format", "-t", cluster_id]
        return self._popen([*arguments, "-c", str(self._folder / "server.properties")])

    def start(self) -> None:
        """Start the node; `wait_ready` tells when it serves."""
        self._seen = len(self._log_text())
        self._process = self._popen(["kafka.Kafka", str(self._folder / "server.properties")])
        self._guard = self._guarded(self._process.pid)

    def wait_ready(self) -> None:
        """Return when the node has joined its cluster and serves clients.

        Raises PortTaken or BrokerError where it ends instead, or takes too long.
        """
        deadline = time.monotonic() + PATIENCE_S
        while _STARTED not in self._log_text()[self._seen :]:
            if not self.running:
                taken = "BindException" in self._log_text()[self._seen :]
                raise (PortTaken if taken else BrokerError)(self._tail("ended while starting"))
            if time.monotonic() > deadline:
                raise BrokerError(self._tail(f"not ready after {PATIENCE_S} s"))
            time.sleep(0.05)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the node, if it runs."""
        if self._process is not None and self.running:
            send(self._machine.signal(self._run_name, self._process.pid, number))

    def kill(self) -> None:
        """End the node at once, as a power cut would; return when it is gone."""
        self.signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait(timeout=PATIENCE_S)
        if self._guard is not None:
            self._guard.kill()
            self._guard.communicate()
        self._process = self._guard = None

    @property
    def _run_name(self) -> str:
        return f"{self._name}-{self._runs}"

    def _popen(self, arguments: list[str]) -> subprocess.Popen[bytes]:
        self._runs += 1
        logging = f"-Dlog4j2.configurationFile={self._folder / 'log4j2.xml'}"
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self._machine.command(
                    self._run_name, self._folder, [*self._flags, logging, *arguments]
                ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the tests, which end the node themselves
            )

    def _guarded(self, pid: int) -> subprocess.Popen[bytes]:
        """Start what ends and removes the node when the tests die without doing so."""
        last_will = self._machine.signal(self._run_name, pid, signal.SIGKILL)
        return subprocess.Popen(
            ["sh", "-c", _GUARD, "sh", str(self._folder), *last_will],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def _log_text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def _tail(self, what: str) -> str:
        lines = self._log_text().splitlines()[-40:]
        return "\n".join([f"broker {self._name} {what}; the end of its log:", *lines])
