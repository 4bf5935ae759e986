"""Make this machine ready for the PostgreSQL tests: `python -m tests.postgres.install`.

Quick and silent where a server is there. On Debian and its kin, as root, installs it; elsewhere
says how. Never fails: tests without PostgreSQL say NOT RUN themselves (and fail in CI).
"""

import os
import shutil
import subprocess
import sys

from tests.postgres import provision

PACKAGE = "postgresql"


def main() -> None:
    """Install PostgreSQL where it is missing, and say what stands in the way."""
    if os.environ.get(provision.ADDRESS):
        return
    if isinstance(provision.programs(), provision.Unavailable):
        install()
    found = provision.programs()
    if isinstance(found, provision.Unavailable):
        sys.stderr.write(f"PostgreSQL tests will not run: {found.reason}\n")


def install() -> None:
    """Install it by apt-get as root; otherwise print the command to give."""
    if shutil.which("apt-get") is None:
        sys.stderr.write(f"PostgreSQL tests: install its server, or set {provision.ADDRESS}\n")
    elif os.geteuid() != 0:
        sys.stderr.write(f"PostgreSQL tests: sudo apt-get install -y {PACKAGE}\n")
    else:
        _apt_get("update")
        _apt_get("install", "-y", "--no-install-recommends", PACKAGE)


def _apt_get(*arguments: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        ["apt-get", "-q", *arguments], env=environment, stdout=sys.stderr, check=False
    )
    if done.returncode:
        sys.stderr.write(f"apt-get {' '.join(arguments)} failed ({done.returncode})\n")


if __name__ == "__main__":
    main()
