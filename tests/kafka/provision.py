"""Where the tests' Kafka comes from on this machine, or why there is none.

In this order: the address in PULSEBOT_TEST_KAFKA, the jars that Maven fetches, Docker. An
address is somebody else's broker: it is never killed, so tests that kill take the others.
"""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.kafka import jars
from tests.kafka.machine import Docker, Java, Machine

ADDRESS = "PULSEBOT_TEST_KAFKA"
OLDEST_JAVA = 17
_PROBE_TIME_LIMIT_S = 20


@dataclass(frozen=True, slots=True)
class External:
    """A running Kafka that the tests may use but not touch."""

    bootstrap: str


@dataclass(frozen=True, slots=True)
class Unavailable:
    """No Kafka here; the reason is in plain words and names the mend."""

    reason: str


class AddressError(Exception):
    """Report a PULSEBOT_TEST_KAFKA that is malformed or does not answer."""


def external(environment: Mapping[str, str] = os.environ) -> External | None:
    """Return the Kafka that the environment names; None where it names none.

    Raises AddressError: whoever names a broker wants it used, not silently replaced.
    """
    addresses = environment.get(ADDRESS, "").strip()
    if not addresses:
        return None
    pairs = [address.strip().rpartition(":") for address in addresses.split(",")]
    if not all(host and port.isdigit() for host, _, port in pairs):
        raise AddressError(f"{ADDRESS}={addresses}: write host:port, or several with commas")
    if not any(_answers(host, int(port)) for host, _, port in pairs):
        raise AddressError(f"{ADDRESS}={addresses}: nothing listens there")
    return External(addresses)


def machine() -> Machine | Unavailable:
    """Return what can run Kafka here, fetching its jars first where that is needed."""
    java, missing = java_tools()
    if java is not None and missing is None:
        try:
            return Java(java, jars.fetch())
        except jars.FetchError as error:
            missing = str(error)
    docker, no_docker = _docker()
    if docker is not None:
        return Docker(docker)
    return Unavailable(f"{missing}; {no_docker} (`make kafka` installs, or set {ADDRESS})")


def java_tools() -> tuple[str | None, str | None]:
    """Return the path of a fitting Java, and what is missing to run Kafka's jars with it."""
    java = _find_java()
    if java is None:
        return None, "no Java on the PATH"
    version = _java_version(java)
    if version < OLDEST_JAVA:
        return None, f"{java} is Java {version}, Kafka needs {OLDEST_JAVA} or newer"
    if not jars.present() and shutil.which("mvn") is None:
        return java, "no Maven (mvn) on the PATH"
    return java, None


def _find_java() -> str | None:
    home = os.environ.get("JAVA_HOME")
    candidate = Path(home) / "bin" / "java" if home else None
    return str(candidate) if candidate and candidate.is_file() else shutil.which("java")


def _java_version(java: str) -> int:
    """Return the feature version; 0 where the program is no Java (macOS has a placeholder)."""
    try:
        done = _run([java, "-version"])
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.search(r'version "(?:1\.)?(\d+)', done.stderr)
    return int(found[1]) if found and done.returncode == 0 else 0


def _docker() -> tuple[str | None, str]:
    docker = shutil.which("docker")
    if docker is None:
        return None, "no Docker on the PATH"
    try:
        done = _run([docker, "version", "--format", "{{.Server.Os}}"])
    except (OSError, subprocess.TimeoutExpired):
        return None, "Docker does not answer"
    running = done.returncode == 0 and done.stdout.strip() == "linux"
    return (docker, "") if running else (None, "no Docker daemon that runs Linux images")


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=_PROBE_TIME_LIMIT_S
    )


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=5).close()
    except OSError:
        return False
    return True
