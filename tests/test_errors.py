import re

import pytest

from pulsebot import errors
from pulsebot.errors import InvalidConfig, Permanent, Problem, PulsebotError, Retryable


def test_the_docstring_draws_the_tree_as_it_is() -> None:
    """Every error of the module is in the drawing, under its true base, and no other is."""
    drawn: dict[str, str] = {}
    branch: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        if not (found := re.match(r"    ([│ ]*)(?:[├└]── )?([A-Z]\w+)\b", line)):
            continue
        depth = line.index(found[2])
        while branch and branch[-1][0] >= depth:
            branch.pop()
        drawn[found[2]] = branch[-1][1] if branch else "Exception"
        branch.append((depth, found[2]))
    actual = {
        name: thing.__base__.__name__
        for name, thing in vars(errors).items()
        if isinstance(thing, type) and issubclass(thing, PulsebotError) and thing.__base__
    }
    assert drawn == actual


def test_a_problem_reads_as_file_line_message() -> None:
    """A problem is written so that editors can jump to it; without a line, the file alone.

    Statements have columns too.
    """
    assert str(Problem("rules/a.yaml", 3, "unknown key")) == "rules/a.yaml:3: unknown key"
    assert str(Problem("rules/a.yaml", 0, "not readable")) == "rules/a.yaml: not readable"
    assert str(Problem("rules/a.sql", 3, "no column X", 8)) == "rules/a.sql:3:8: no column X"


def test_invalid_config_lists_every_problem_in_order() -> None:
    """Problems are told all at once, by file and then by line as a number."""
    error = InvalidConfig([Problem("b", 1, "x"), Problem("a", 10, "y"), Problem("a", 9, "z")])
    assert str(error) == "a:9: z\na:10: y\nb:1: x"
    assert [problem.line for problem in error.problems] == [9, 10, 1]


def test_retryable_defaults_to_backing_off_one_message() -> None:
    """Unless the platform says more, only this message waits, and it did not arrive."""
    error = Retryable("connection refused")
    assert (error.after, error.whole_destination, error.sent_unknown) == (None, False, False)
    assert str(error) == error.reason == "connection refused"


@pytest.mark.parametrize("moved_to", [None, "-100123"])
def test_permanent_says_what_would_help(moved_to: str | None) -> None:
    """A refusal tells whether plain text or another name would do."""
    error = Permanent("refused", unformatted=moved_to is None, moved_to=moved_to)
    assert (error.unformatted, error.moved_to) == (moved_to is None, moved_to)
    assert str(error) == "refused"
