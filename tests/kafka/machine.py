"""How a class of Kafka is run: by the Java of this machine, or in a container.

Both run the same command line with the same configuration files on the host's network, so
that everything above (`broker`) knows no difference.
"""

import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

IMAGE = "apache/kafka:4.4.0"
JVM = ("-XX:+UseSerialGC", "-Xms64m", "-Xmx512m", "-XX:-UsePerfData")
COMMAND_TIME_LIMIT_S = 30


class Machine(Protocol):
    """Runs Kafka's classes and sends signals to what it runs."""

    def command(self, name: str, folder: Path, arguments: Sequence[str]) -> list[str]:
        """Return the command that runs `java ARGUMENTS` with Kafka's classes.

        `name` identifies the run to `signal`; `folder` is where its files are.
        """

    def signal(self, name: str, pid: int, number: signal.Signals) -> list[str]:
        """Return the command that sends the signal to a run (`pid` is its command's)."""


@dataclass(frozen=True, slots=True)
class Java:
    """Runs the jars of a folder with the Java found at `java`."""

    java: str
    jars: Path

    def command(self, name: str, folder: Path, arguments: Sequence[str]) -> list[str]:
        """Run Java itself: the run's process is the command's."""
        del name, folder
        return [self.java, *JVM, "-cp", f"{self.jars}/*", *arguments]

    def signal(self, name: str, pid: int, number: signal.Signals) -> list[str]:
        """Signal the process itself."""
        del name
        return ["kill", f"-{number.name.removeprefix('SIG')}", str(pid)]


@dataclass(frozen=True, slots=True)
class Docker:
    """Runs Kafka's own image; the files keep their paths inside the container."""

    docker: str

    def command(self, name: str, folder: Path, arguments: Sequence[str]) -> list[str]:
        """Run a container that is gone when its Kafka is."""
        run = [self.docker, "run", "--rm", f"--name={name}", "--network=host"]
        run += [f"--user={os.getuid()}:{os.getgid()}", f"--volume={folder}:{folder}"]
        return [*run, "--entrypoint=java", IMAGE, *JVM, "-cp", "/opt/kafka/libs/*", *arguments]

    def signal(self, name: str, pid: int, number: signal.Signals) -> list[str]:
        """Signal the container: a signal to the client would not reach Kafka."""
        del pid
        return [self.docker, "kill", f"--signal={number.name.removeprefix('SIG')}", name]


def send(command: Sequence[str]) -> None:
    """Run a command of `Machine.signal`; what has ended already is no error."""
    subprocess.run(command, capture_output=True, check=False, timeout=COMMAND_TIME_LIMIT_S)
