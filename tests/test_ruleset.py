from pathlib import Path

import pytest

from pulsebot.errors import InvalidConfig
from pulsebot.ruleset import Ruleset, check_cases, load_rules

CHATS = {"console", "slack", "telegram", "webhook"}
EXAMPLES = Path(__file__).parent.parent / "rules"
ROUTES = "routes: [{match: {}, to: [console], then: stop}]\n"


def load(folder: Path, *texts: str) -> Ruleset:
    """Load rule files with these texts, called 0.yaml, 1.yaml and so on."""
    for number, text in enumerate(texts):
        (folder / f"{number}.yaml").write_text(text, encoding="utf-8")
    return load_rules([folder], chats=CHATS)


def problems(folder: Path, *texts: str) -> list[str]:
    """Return what is wrong with rule files, each as `file:line: message` in one text."""
    with pytest.raises(InvalidConfig) as caught:
        load(folder, *texts)
    return str(caught.value).replace(f"{folder}/", "").splitlines()


def one_rule(rule: str, more: str = ROUTES) -> str:
    """Return a file with one rule, which begins in line 3."""
    return f"version: 1\nrules:\n  - {rule}\n{more}"


def test_the_examples_are_right_and_do_what_their_tests_say() -> None:
    """Every file under rules/ loads with the console alone, and its own tests pass."""
    ruleset = load_rules([EXAMPLES], chats={"console"})
    assert {rule.id for rule in ruleset.rules} >= {"new-crash", "crash-loop", "unhealthy"}
    assert ruleset.digests["daily"].to == ("console",)
    assert ruleset.tests
    assert check_cases(ruleset) == []


def test_every_problem_of_every_file_is_told_at_once(tmp_path: Path) -> None:
    """Three faults in two files are three lines, each with its file and line."""
    first = one_rule("{id: a, when: {kind: crash}, condition: {type: any}, severity: sever}")
    second = "version: 1\nrules:\n  - id: Big\n    when: {}\n    severity: info\n"
    second += "    condition: {type: any}\n"
    assert problems(tmp_path, first, second) == [
        "0.yaml:3: `severity`: 'sever' is not one of info, warning, error or critical",
        "1.yaml:3: `id`: 'Big' may have only the characters a-z, 0-9 and - (100 at most)",
        "1.yaml:4: `when.kind` is missing",
    ]
