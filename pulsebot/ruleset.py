"""Rule sets: the rule files of one installation, read, checked and put together.

Everything that can be wrong is found here, before anything live is touched, and told at once
as `file:line: message`. This module must not know which chats there are: the caller says.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from pydantic import ValidationError

from pulsebot import viewfile
from pulsebot.casetest import Case, run_case
from pulsebot.errors import InvalidConfig, Problem
from pulsebot.mends import real_path
from pulsebot.routing.digest import Digest
from pulsebot.routing.receiver import Chats
from pulsebot.routing.route import Route
from pulsebot.rulefile import RuleFile, sentence
from pulsebot.rules.rule import Rule
from pulsebot.viewfile import Declared
from pulsebot.yamltree import Loc, Tree, read

SUFFIXES = {".yaml", ".yml"}
MAX_NAMED = 10
"""Rules that are named where one is not found."""


@dataclass(frozen=True, slots=True)
class PlacedCase:
    """A test and where it stands."""

    case: Case
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Ruleset:
    """All rules, routes (one ordered list), digests by name, tests, and views in SQL.

    `version_hash` is the same exactly as long as rules, routes and digests mean the same.
    """

    rules: tuple[Rule, ...]
    routes: tuple[Route, ...]
    digests: Mapping[str, Digest]
    tests: tuple[PlacedCase, ...]
    version_hash: str
    views: tuple[Declared, ...] = ()


@dataclass(frozen=True, slots=True)
class _File:
    tree: Tree
    content: RuleFile

    def problem(self, loc: Loc, message: str) -> Problem:
        return Problem(self.tree.file, self.tree.line(loc), message)


def load_rules(paths: Sequence[Path], *, chats: Chats) -> Ruleset:
    """Read rule files and folders of them (`*.yaml`, `*.yml`, `*.sql`, by name; no subfolders).

    `chats` are those that are set up, with the targets they know. Raises InvalidConfig with
    every problem of every file.
    """
    problems: list[Problem] = []
    files = list(_read_all(paths, chats, problems))
    lints = [_doubles, _unreachable]
    if not problems:  # what a broken file would have said is not missed as well
        lints += [_strangers, _nowhere]
    problems += [problem for lint in lints for problem in lint(files)]
    views = _views(paths, problems)
    if problems:
        raise InvalidConfig(problems)
    return replace(_together(files), views=views)


def _views(paths: Iterable[Path], problems: list[Problem]) -> tuple[Declared, ...]:
    found: dict[Path, Path] = {}
    for path in paths:
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        for file in inside:
            if file.suffix == viewfile.SUFFIX and file.is_file():
                found.setdefault(file.resolve(), file)
    try:
        return viewfile.read_views(found.values())
    except InvalidConfig as error:
        problems += error.problems
        return ()


def check_cases(ruleset: Ruleset) -> list[Problem]:
    """Run the tests of the rule files; return what failed, with its place."""
    return [
        Problem(placed.file, placed.line, f"test {placed.case.name!r}: {difference}")
        for placed in ruleset.tests
        for difference in run_case(placed.case, ruleset.rules, ruleset.routes)
    ]


def _read_all(paths: Iterable[Path], chats: Chats, problems: list[Problem]) -> Iterator[_File]:
    seen: set[Path] = set()
    for path in paths:
        for file in _files(path, problems):
            if file.resolve() in seen:
                continue
            seen.add(file.resolve())
            try:
                yield _valid(read(file), chats)
            except InvalidConfig as error:
                problems += error.problems


def _valid(tree: Tree, chats: Chats) -> _File:
    try:
        content = RuleFile.model_validate(tree.values, context={"chats": chats})
    except ValidationError as error:
        faults = [(real_path(tree.values, fault), fault) for fault in error.errors()]
        raise InvalidConfig(
            [Problem(tree.file, tree.line(loc), sentence(fault, loc)) for loc, fault in faults]
        ) from error
    return _File(tree, content)


def _files(path: Path, problems: list[Problem]) -> list[Path]:
    if not path.exists():
        problems.append(
            Problem(
                str(path),
                0,
                "there is no such rule file or folder; `pulsebot init FOLDER` writes one",
            )
        )
        return []
    if not path.is_dir():
        return [path] if path.suffix != viewfile.SUFFIX else []
    inside = [file for file in path.iterdir() if file.is_file()]
    files = sorted(file for file in inside if file.suffix in SUFFIXES)
    if not files and not any(file.suffix == viewfile.SUFFIX for file in inside):
        problems.append(Problem(str(path), 0, "no rule files (*.yaml, *.sql) in this folder"))
    return files


def _doubles(files: Sequence[_File]) -> Iterator[Problem]:
    first: dict[tuple[str, str], str] = {}
    for file in files:
        named: list[tuple[tuple[str, str], Loc]] = [
            (("rule", rule.id), ("rules", i, "id")) for i, rule in enumerate(file.content.rules)
        ]
        named += [(("digest", name), ("digests", name)) for name in file.content.digests]
        for (what, name), loc in named:
            here = f"{file.tree.file}:{file.tree.line(loc)}"
            if (there := first.setdefault((what, name), here)) != here:
                yield file.problem(loc, f"{what} `{name}` is there already, in {there}; rename one")


def _unreachable(files: Sequence[_File]) -> Iterator[Problem]:
    stops: list[tuple[Route, str]] = []
    for file in files:
        for index, route in enumerate(file.content.routes):
            loc = ("routes", index)
            for earlier, where in stops:
                if earlier.match.covers(route.match):
                    yield file.problem(
                        loc,
                        f"this route is never reached: the one in {where} takes all that it "
                        "matches and says `then: stop`; put this one first",
                    )
                    break
            if route.then == "stop":
                stops.append((route, f"{file.tree.file}:{file.tree.line(loc)}"))


def _strangers(files: Sequence[_File]) -> Iterator[Problem]:
    known = [rule.id for file in files for rule in file.content.rules]
    for file in files:
        for loc, name in _named_rules(file.content):
            if name not in known:
                close = get_close_matches(name, known, n=1)
                hint = f"did you mean `{close[0]}`?" if close else f"there are {_some(known)}"
                yield file.problem(loc, f"there is no rule `{name}`; {hint}")


def _some(names: Sequence[str]) -> str:
    """Return the first names, and that there are more where there are."""
    more = ", …" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more if names else "none"


def _named_rules(content: RuleFile) -> Iterator[tuple[Loc, str]]:
    for index, route in enumerate(content.routes):
        for name in route.match.rule or ():
            yield ("routes", index, "match", "rule"), name
    for index, case in enumerate(content.tests):
        for number, expected in enumerate(case.expect):
            yield ("tests", index, "expect", number, "rule"), expected.rule


def _nowhere(files: Sequence[_File]) -> Iterator[Problem]:
    if files and not any(file.content.routes for file in files):
        yield Problem(
            files[0].tree.file,
            0,
            "there is no route in any rule file, so nobody would be told; add "
            "`routes: [{match: {}, to: [console], then: stop}]`",
        )


def _together(files: Sequence[_File]) -> Ruleset:
    rules = tuple(rule for file in files for rule in file.content.rules)
    routes = tuple(route for file in files for route in file.content.routes)
    digests = {name: digest for file in files for name, digest in file.content.digests.items()}
    tests = tuple(
        PlacedCase(case, file.tree.file, file.tree.line(("tests", index)))
        for file in files
        for index, case in enumerate(file.content.tests)
    )
    meaning = RuleFile(version=1, rules=rules, routes=routes, digests=digests)
    version = hashlib.blake2b(meaning.model_dump_json().encode(), digest_size=8).hexdigest()
    return Ruleset(rules, routes, digests, tests, version)
