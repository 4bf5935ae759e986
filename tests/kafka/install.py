"""Make this machine ready for the Kafka tests: `python -m tests.kafka.install`.

Quick and silent where all is there. On Debian and its kin, as root, installs Java and Maven;
elsewhere says how. Never fails: tests without Kafka say NOT RUN themselves (and fail in CI).
"""

import os
import shutil
import subprocess
import sys

from tests.kafka import provision

# Newest first; a distribution carries one or two of them.
JAVA_PACKAGES = ("openjdk-25-jre-headless", "openjdk-21-jre-headless", "openjdk-17-jre-headless")


def main() -> None:
    """Install what is missing, fetch the jars, and say what stands in the way."""
    if os.environ.get(provision.ADDRESS):
        return
    _, missing = provision.java_tools()
    if missing is not None:
        install(missing)
    found = provision.machine()
    if isinstance(found, provision.Unavailable):
        sys.stderr.write(f"Kafka tests will not run: {found.reason}\n")


def install(missing: str) -> None:
    """Install Java and Maven by apt-get as root; otherwise print the command to give."""
    if shutil.which("apt-get") is None:
        _say(missing, f"install a Java {provision.OLDEST_JAVA}+ runtime and Maven")
    elif os.geteuid() != 0:
        _say(missing, f"sudo apt-get install -y {JAVA_PACKAGES[-1]} maven")
    else:
        _apt_get("update")
        _apt_get("install", "-y", "--no-install-recommends", _java_package(), "maven")


def _say(missing: str, mend: str) -> None:
    sys.stderr.write(f"Kafka tests: {missing}. To run them: {mend}\n")


def _java_package() -> str:
    for package in JAVA_PACKAGES:
        known = subprocess.run(["apt-cache", "show", package], capture_output=True, check=False)
        if known.returncode == 0:
            return package
    return "default-jre-headless"


def _apt_get(*arguments: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        ["apt-get", "-q", *arguments], env=environment, stdout=sys.stderr, check=False
    )
    if done.returncode:
        sys.stderr.write(f"apt-get {' '.join(arguments)} failed ({done.returncode})\n")


if __name__ == "__main__":
    main()
