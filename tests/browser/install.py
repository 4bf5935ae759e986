"""Make this machine ready for the browser tests: `python -m tests.browser.install`.

Quick and silent where Chromium is there. On Debian and its kin, as root, installs it; elsewhere
says how. Never fails: tests without a browser say NOT RUN themselves (and fail in CI).
"""

import os
import shutil
import subprocess
import sys

from tests.browser import provision

PACKAGES = ("chromium", "fonts-dejavu-core")


def main() -> None:
    """Install Chromium where it is missing, and say what stands in the way."""
    found = provision.chromium()
    if isinstance(found, provision.Missing):
        install()
        found = provision.chromium()
    if isinstance(found, provision.Missing):
        sys.stderr.write(f"Browser tests will not run: {found.reason}\n")


def install() -> None:
    """Install it by apt-get as root; otherwise print the command to give."""
    if shutil.which("apt-get") is None:
        sys.stderr.write(f"Browser tests: install Chromium, or set {provision.PROGRAM}\n")
    elif os.geteuid() != 0:
        sys.stderr.write(f"Browser tests: sudo apt-get install -y {' '.join(PACKAGES)}\n")
    else:
        _apt_get("update")
        _apt_get("install", "-y", "--no-install-recommends", *PACKAGES)


def _apt_get(*arguments: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        ["apt-get", "-q", *arguments], env=environment, stdout=sys.stderr, check=False
    )
    if done.returncode:
        sys.stderr.write(f"apt-get {' '.join(arguments)} failed ({done.returncode})\n")


if __name__ == "__main__":
    main()
