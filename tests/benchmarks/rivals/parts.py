"""Where the others' parts come from: Maven and pip fetch them into folders outside git.

They are no part of the project and never in its own environment.
"""

import shutil
import subprocess
import sys
import venv
from pathlib import Path

from tests.kafka import jars

FOLDER = Path(__file__).parent
CACHE = Path(__file__).parents[3] / ".cache" / "rivals"
QUIX = "quixstreams==3.28.1"


def kafka_streams() -> str:
    """Return the class path of the compiled program, fetching and compiling first."""
    compiler = shutil.which("javac")
    if compiler is None:
        sys.exit(
            "Kafka Streams is compiled here: no javac on the PATH. On Debian or Ubuntu:"
            " apt-get install openjdk-17-jdk-headless maven"
        )
    found = jars.fetch(CACHE, FOLDER / "pom.xml")
    path = f"{found}/*:{found}"
    subprocess.run(
        [compiler, "-cp", path, "-d", str(found), str(FOLDER / "DayCount.java")], check=True
    )
    return path


def quix_python() -> str:
    """Return the Python of an environment that has Quix Streams, making it first."""
    folder = CACHE / QUIX.replace("==", "-")
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        sys.stderr.write(f"installing {QUIX} into {folder}\n")
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", QUIX], check=True)
        (folder / "complete").touch()
    return str(python)
