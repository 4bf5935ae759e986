"""View files: CREATE statements in `*.sql` files beside the rules, read and checked.

Everything that can be wrong is found here, and told at once as `file:line:column: message`. A file
may read streams that an earlier file made; files come in the order of their names.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from pulsebot.errors import InvalidConfig, Problem
from pulsebot.lookupfile import read_lookup
from pulsebot.views.creation import keys_of, since_of, source_of
from pulsebot.views.dialect import parse_each
from pulsebot.views.lookup import is_lookup
from pulsebot.views.naming import check_name
from pulsebot.views.place import InvalidSql
from pulsebot.views.planner import table_plan
from pulsebot.views.source import BUILT_IN, Source
from pulsebot.views.statement import Create, Query

SUFFIX = ".sql"

_UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class Declared:
    """A view or stream that a file declares."""

    create: Create
    file: str

    @property
    def line(self) -> int:
        """Where its name stands in the file."""
        return self.create.name.place.line


def read_views(files: Iterable[Path]) -> tuple[Declared, ...]:
    """Read view files in this order; raises InvalidConfig with every problem of every file."""
    problems: list[Problem] = []
    declared: list[Declared] = []
    for file in files:
        declared += _read(file, problems)
    problems += _doubles(declared)
    problems += _lint(declared)
    if problems:
        raise InvalidConfig(problems)
    return tuple(declared)


def _read(file: Path, problems: list[Problem]) -> Iterator[Declared]:
    try:
        statements = list(parse_each(file.read_text("utf-8")))
    except InvalidSql as error:
        problems.append(_problem(str(file), error))
        return
    except (OSError, UnicodeDecodeError) as error:
        problems.append(Problem(str(file), 0, f"cannot be read: {error}"))
        return
    for statement in statements:
        if isinstance(statement, InvalidSql):
            problems.append(_problem(str(file), statement))
        elif isinstance(statement, Create):
            yield Declared(statement, str(file))
        else:
            word = type(statement).__name__.upper().replace("QUERY", "SELECT")
            said = f"only CREATE statements may stand here, not {word}; ask by `pulsebot sql`"
            if isinstance(statement, Query):
                place = statement.place(statement.select)
                problems.append(_problem(str(file), InvalidSql(said, place)))
            else:
                problems.append(Problem(str(file), 0, said))


def _problem(file: str, error: InvalidSql) -> Problem:
    return Problem(file, error.place.line, error.message, error.place.column)


def _doubles(declared: Iterable[Declared]) -> Iterator[Problem]:
    first: dict[str, Declared] = {}
    for one in declared:
        there = first.setdefault(one.create.name.text.upper(), one)
        if there is not one:
            where = f"{there.file}:{there.line}"
            said = f"{one.create.name} is there already, in {where}; rename one"
            yield _problem(one.file, InvalidSql(said, one.create.name.place))


def _lint(declared: Iterable[Declared]) -> Iterator[Problem]:
    sources: dict[str, Source] = dict(BUILT_IN)
    for one in declared:
        try:
            _check(one.create, sources)
        except InvalidSql as error:
            yield _problem(one.file, error)
        except InvalidConfig as error:
            yield from error.problems


def _check(create: Create, sources: dict[str, Source]) -> None:
    check_name(create.name)
    keys_of(create)
    since_of(create, _UTC)
    if create.query is not None and create.kind == "TABLE":
        table_plan(create.query, sources, _UTC)
        return
    sources[create.name.text] = source_of(create, sources)
    if is_lookup(create):
        read_lookup(create)
