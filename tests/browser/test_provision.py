import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.browser import provision

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("ci", "code"), [("", 0), ("true", 1)])
def test_a_missing_browser_is_said_aloud(tmp_path: Path, ci: str, code: int) -> None:
    """Without Chromium the run names its gap in one line; CI fails on it."""
    without = {"PATH": str(tmp_path), "CI": ci, provision.PROGRAM: ""}
    test = "tests/browser/test_board.py::test_everything_but_live_works_without_scripts"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test],
        cwd=ROOT,
        env=os.environ | without,
        capture_output=True,
        text=True,
        check=False,
    )
    last_words = [line for line in done.stdout.splitlines() if line.startswith("NOT RUN")]
    mend = f"(`make browser` installs, or set {provision.PROGRAM})"
    assert last_words == [f"NOT RUN: 1 Chromium tests: no Chromium on the PATH {mend}"]
    assert done.returncode == code


def test_a_browser_that_is_named_must_be_there(tmp_path: Path) -> None:
    """A mistyped path is told, not replaced by another browser."""
    found = provision.chromium({provision.PROGRAM: str(tmp_path / "chrome")})
    assert isinstance(found, provision.Missing)
    assert "there is no such file" in found.reason
