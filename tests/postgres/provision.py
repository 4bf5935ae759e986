"""Where the tests' PostgreSQL comes from on this machine, or why there is none.

In this order: the address in PULSEBOT_TEST_POSTGRES, the programs of a PostgreSQL that is
installed here. An address is somebody else's server: it is never killed, so tests that kill
take the others.
"""

import os
import pwd
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg

ADDRESS = "PULSEBOT_TEST_POSTGRES"
FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
"""Where distributions keep the server's programs, which they do not put on the PATH."""

ACCOUNTS = ("postgres", "nobody")
"""Whom the server may run as where we are root, whom it refuses."""


@dataclass(frozen=True, slots=True)
class External:
    """A running PostgreSQL in which the tests may create databases, and nothing more."""

    url: str


@dataclass(frozen=True, slots=True)
class Programs:
    """The folder of the server's programs, and the account to run them as (None: our own)."""

    folder: Path
    account: str | None


@dataclass(frozen=True, slots=True)
class Unavailable:
    """No PostgreSQL here; the reason is in plain words and names the mend."""

    reason: str


class AddressError(Exception):
    """Report a PULSEBOT_TEST_POSTGRES that is malformed or does not answer."""


def external(environment: Mapping[str, str] = os.environ) -> External | None:
    """Return the PostgreSQL that the environment names; None where it names none.

    Raises AddressError: whoever names a server wants it used, not silently replaced.
    """
    url = environment.get(ADDRESS, "").strip()
    if not url:
        return None
    if not url.startswith(("postgresql://", "postgres://")):
        raise AddressError(f"{ADDRESS}: write postgresql://user:password@host:port/database")
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.Error as error:
        raise AddressError(f"{ADDRESS}: {error}") from error
    return External(url)


def programs(environment: Mapping[str, str] = os.environ) -> Programs | Unavailable:
    """Return what can run a server here."""
    folder = _folder(environment)
    if folder is None:
        return _unavailable("no PostgreSQL server is installed")
    if os.geteuid() != 0:
        return Programs(folder, None)
    account = next((name for name in ACCOUNTS if _is_account(name)), None)
    if account is None:
        return _unavailable("PostgreSQL refuses to run as root, and there is no other account")
    return Programs(folder, account)


def _unavailable(fault: str) -> Unavailable:
    return Unavailable(f"{fault} (`make postgres` installs, or set {ADDRESS})")


def _folder(environment: Mapping[str, str]) -> Path | None:
    """Return the folder on the PATH that holds the server, else the newest of the known ones."""
    path = environment.get("PATH", "")
    if found := shutil.which("initdb", path=path):
        on_path = Path(found).resolve().parent
        if (on_path / "postgres").is_file():
            return on_path
    known = [folder for pattern in FOLDERS for folder in Path("/").glob(pattern.lstrip("/"))]
    return max((f for f in known if (f / "postgres").is_file()), key=_version, default=None)


def _version(folder: Path) -> int:
    return int("0" + "".join(re.findall(r"\d+", folder.parent.name)))


def _is_account(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
