"""What the repository holds, apart from what it does: locks, names, sizes, addresses."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))

TOP_LEVEL = frozenset(
    {"CHANGELOG.md", "Dockerfile", "LICENSE", "Makefile", "README.md", "docker-compose.yml"}
    | {"crawler", "pulsebot", "pyproject.toml", "rules", "tests"}
    | {".ci", ".dockerignore", ".gitignore"}
)
MAX_LINES = {"pulsebot": 400, "crawler": 400, "tests": 500}  # tests repeat themselves

# Hosts that packages come from, and the folders of one machine or person.
ADDRESSES = re.compile(
    r"files\.pythonhosted|pypi\.org|/simple/|--(?:extra-)?index-url|--find-links"
    r"|registry\.[\w-]+\.\w|artifactory|nexus\.|repo1?\.maven|(?<![\w.$}])/(?:root|work|Users|home/(?!me/)\w+)/"
)

# Lock file to the groups of pyproject.toml that it pins; None is the project itself.
LOCKS = {
    ".ci/requirements.txt": (None, "build"),
    ".ci/requirements-dev.txt": (None, "build", "dev"),
    ".ci/requirements-lock.txt": ("lock",),
}


def tracked() -> list[Path]:
    """Return the files of the repository that are there, relative to its root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file()]


FILES = tracked()
MODULES = [path for path in FILES if path.suffix == ".py"]


def pins(lock: str) -> dict[str, tuple[str, int]]:
    """Return the version and the number of hashes of each package in a lock file."""
    text = (ROOT / lock).read_text("utf-8")
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    heads = [re.match(r"([a-z0-9-]+)==(\S+)", entry) for entry in entries]
    assert all(heads), "an entry that is not pinned"
    return {
        head[1]: (head[2], entry.count("--hash=sha256:"))
        for head, entry in zip(heads, entries, strict=True)
        if head
    }


def wanted(group: str | None) -> list[Requirement]:
    """Return what pyproject.toml asks for, in the project itself or in a group."""
    lines = PROJECT["dependency-groups"][group] if group else PROJECT["project"]["dependencies"]
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize(("lock", "groups"), LOCKS.items())
def test_locks_pin_what_the_project_asks_for(lock: str, groups: tuple[str | None, ...]) -> None:
    """Each dependency is pinned at a version that fits; otherwise `make lock` was forgotten."""
    pinned = pins(lock)
    for requirement in (r for group in groups for r in wanted(group)):
        version, _ = pinned[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), requirement


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_have_a_hash_for_every_package(lock: str) -> None:
    """No package can be installed unchecked, and no lock says where to fetch from."""
    assert pins(lock)
    assert [name for name, (_, hashes) in pins(lock).items() if not hashes] == []
    assert "://" not in (ROOT / lock).read_text("utf-8")


def test_both_locks_pin_the_same_versions() -> None:
    """The tests run with the versions that the image is built from."""
    runtime, dev = pins(".ci/requirements.txt"), pins(".ci/requirements-dev.txt")
    assert {name: dev.get(name) for name in runtime} == runtime


def test_the_build_backend_is_locked() -> None:
    """What builds the project is pinned too: it is installed without build isolation."""
    backend = [Requirement(line) for line in PROJECT["build-system"]["requires"]]
    assert {str(r) for r in backend} <= {str(r) for r in wanted("build")}


def test_no_file_names_a_registry_or_a_folder_of_one_machine() -> None:
    """Nothing in the repository ties it to where it was written."""
    found = []
    for path in FILES:
        if path == Path("tests/test_packaging.py"):  # spells them out
            continue
        for number, line in enumerate((ROOT / path).read_text("utf-8").splitlines(), 1):
            found += [f"{path}:{number}: {line.strip()}"] * bool(ADDRESSES.search(line))
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://mirror.example/simple/",
        "cd /root/project",
        "PATH=/home/somebody/bin",
        "https://files.pythonhosted.org/packages/x.whl",
    ],
)
def test_such_names_would_be_seen(line: str) -> None:
    """The search above finds what it is there for."""
    assert ADDRESSES.search(line)


def test_the_top_level_holds_what_it_should() -> None:
    """A newcomer sees the same few entries, and no stray file."""
    assert {path.parts[0] for path in FILES} == TOP_LEVEL


def test_every_module_says_what_it_is() -> None:
    """Each module of the two packages begins with a docstring."""
    silent = [
        path
        for path in MODULES
        if path.parts[0] in {"pulsebot", "crawler"}
        and not ast.get_docstring(ast.parse((ROOT / path).read_text("utf-8")))
    ]
    assert silent == []


def test_no_module_is_too_long() -> None:
    """A module that has grown beyond the limit wants to be two."""
    lengths = {path: len((ROOT / path).read_text("utf-8").splitlines()) for path in MODULES}
    assert [path for path in MODULES if lengths[path] > MAX_LINES[path.parts[0]]] == []


def test_every_test_says_what_it_expects() -> None:
    """Each test function has a docstring: the behaviour in a sentence."""
    silent = [
        f"{path}:{node.lineno}"
        for path in MODULES
        if path.name.startswith("test_")
        for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]
    assert silent == []


def test_the_newest_entry_of_the_changelog_is_the_version() -> None:
    """The changelog and the package speak of the same version."""
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    newest = re.search(r"^## \[?v?(\d+\.\d+\.\d+)", changelog, re.MULTILINE)
    assert newest
    assert newest[1] == PROJECT["project"]["version"]


def test_the_image_has_the_version_of_the_project() -> None:
    """The compose file names its images after the version."""
    compose = (ROOT / "docker-compose.yml").read_text("utf-8")
    versions = set(re.findall(r"image: pulsebot\S*:(\S+)", compose))
    assert versions == {PROJECT["project"]["version"]}
