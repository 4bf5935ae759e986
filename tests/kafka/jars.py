"""Kafka's own jars, or those of another pom, fetched by Maven into a folder outside git.

The folder is named after the pom's hash, so that jars of another pom are never used, and
appears under that name only when complete, so that an interrupted fetch is simply repeated.
"""

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

POM = Path(__file__).with_name("pom.xml")
CACHE = Path(__file__).parents[2] / ".cache" / "kafka"
FETCH_TIME_LIMIT_S = 600


class FetchError(Exception):
    """Report that Maven could not fetch the jars; the text ends with Maven's own words."""


def folder(cache: Path = CACHE, pom: Path = POM) -> Path:
    """Return where the jars of the present pom are, or will be."""
    return cache / hashlib.sha256(pom.read_bytes()).hexdigest()[:16]


def present() -> bool:
    """Tell whether the jars have been fetched."""
    return folder().is_dir()


def fetch(cache: Path = CACHE, pom: Path = POM) -> Path:
    """Return the folder of the jars, fetching them first where they are missing."""
    target = folder(cache, pom)
    if not target.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="partial-") as partial:
            jars = Path(partial) / "jars"
            _run_maven(jars, pom)
            _publish(jars, target)
    return target


def _run_maven(destination: Path, pom: Path) -> None:
    command = ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies"]
    command.append(f"-DoutputDirectory={destination}")
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=FETCH_TIME_LIMIT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FetchError(f"mvn did not run: {error}") from error
    if done.returncode or not any(destination.glob("kafka*.jar")):
        words = (done.stdout + done.stderr).strip().splitlines()[-5:]
        raise FetchError("mvn could not fetch Kafka's jars: " + " | ".join(words))


def _publish(jars: Path, target: Path) -> None:
    try:
        jars.rename(target)
    except OSError:
        if not target.is_dir():  # otherwise another run was quicker, with the same jars
            raise
        shutil.rmtree(jars)
