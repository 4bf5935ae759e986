"""Where the tests' Chromium comes from on this machine, or why there is none."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PROGRAM = "PULSEBOT_TEST_CHROMIUM"
NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")

ARGUMENTS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""So that the browser itself asks nobody for anything."""


@dataclass(frozen=True, slots=True)
class Missing:
    """No Chromium here; the reason is in plain words and names the mend."""

    reason: str


def chromium(environment: Mapping[str, str] = os.environ) -> Path | Missing:
    """Return the program: the one that the environment names, else one on the PATH."""
    if named := environment.get(PROGRAM):
        found = Path(named)
        return found if found.is_file() else Missing(f"{PROGRAM}={named}: there is no such file")
    for name in NAMES:
        if program := shutil.which(name, path=environment.get("PATH")):
            return Path(program)
    return Missing(f"no Chromium on the PATH (`make browser` installs, or set {PROGRAM})")


def arguments() -> list[str]:
    """Return the switches to start it with; as root it cannot have its own sandbox."""
    return [*ARGUMENTS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
