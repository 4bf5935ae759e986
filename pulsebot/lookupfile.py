"""Lookup files: the rows of a lookup table, from CSV with a header or from YAML.

YAML is a mapping from the key to the other columns: `svc-a: {team: core, tier: 1}`. Faults are
told as `file:line: message`, all at once. A file lies below the working folder.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pulsebot import yamltree
from pulsebot.errors import InvalidConfig, Problem
from pulsebot.views.datatype import Type
from pulsebot.views.functions.casts import conversion
from pulsebot.views.lookup import file_of, key_of, types_of
from pulsebot.views.place import nearest
from pulsebot.views.statement import Create

MAX_BYTES = 4_000_000
MAX_ROWS = 50_000

Row = dict[str, Any]
Line = tuple[int, dict[str, Any]]
"""A row as it stands in the file: its line, and the fields by their names in upper case."""


def read_lookup(create: Create) -> list[Row]:
    """Return the rows of a declared table; raises InvalidSql or InvalidConfig."""
    path, types, key = Path(file_of(create)), types_of(create), key_of(create).name.text
    if path.is_absolute() or not path.resolve().is_relative_to(Path.cwd()):
        raise InvalidConfig([Problem(str(path), 0, "must lie in the folder that pulsebot runs in")])
    problems: list[Problem] = []
    rows: dict[Any, Row] = {}
    for line, fields in _lines(path, key, types):
        row = _row(
            fields, types, lambda said, at=line: problems.append(Problem(str(path), at, said))
        )
        if row[key] is None:
            problems.append(Problem(str(path), line, f"the key {key} is missing"))
        elif row[key] in rows:
            problems.append(Problem(str(path), line, f"{row[key]} is there twice"))
        rows[row[key]] = row
    if len(rows) > MAX_ROWS:
        problems.append(Problem(str(path), 0, f"{len(rows)} rows; {MAX_ROWS} at the most"))
    if problems:
        raise InvalidConfig(problems)
    return list(rows.values())


def _lines(path: Path, key: str, types: dict[str, Type]) -> Iterator[Line]:
    if path.suffix in {".yaml", ".yml"}:
        return _yaml(path, key, types)
    if path.suffix == ".csv":
        return _csv(path, types)
    raise InvalidConfig([Problem(str(path), 0, "must be a .csv, .yaml or .yml file")])


def _csv(path: Path, types: dict[str, Type]) -> Iterator[Line]:
    try:
        raw = path.read_bytes()[: MAX_BYTES + 1]
        text = raw.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfig([Problem(str(path), 0, f"cannot be read: {error}")]) from error
    if len(raw) > MAX_BYTES:
        raise InvalidConfig([Problem(str(path), 0, f"larger than {MAX_BYTES} bytes")])
    reader = csv.DictReader(text.splitlines(), strict=True)
    names = [str(name).strip().upper() for name in reader.fieldnames or ()]
    _all_there(path, names, types)
    try:
        for fields in reader:
            values = [fields[name] for name in reader.fieldnames or ()]
            found = dict(zip(names, values, strict=True))
            yield reader.line_num, {n: v or None for n, v in found.items()}
    except csv.Error as error:
        raise InvalidConfig([Problem(str(path), reader.line_num, str(error))]) from error


def _all_there(path: Path, names: list[str], types: dict[str, Type]) -> None:
    if missing := [name for name in types if name not in names]:
        said = f"the header has no {missing[0]}{nearest(missing[0], names)}"
        raise InvalidConfig([Problem(str(path), 1, said)])


def _yaml(path: Path, key: str, types: dict[str, Type]) -> Iterator[Line]:
    tree = yamltree.read(path)
    problems = []
    for name, fields in tree.values.items():
        line = tree.line((name,))
        if not isinstance(fields, dict):
            problems.append(Problem(str(path), line, f"{name}: expected columns, {{team: core}}"))
            continue
        found = {str(field).upper(): value for field, value in fields.items()}
        for field in found:
            if field not in types:
                said = f"{name}: there is no column {field}{nearest(field, types)}"
                problems.append(Problem(str(path), line, said))
        yield line, {**found, key: name}
    if problems:
        raise InvalidConfig(problems)


def _row(fields: dict[str, Any], types: dict[str, Type], tell: Any) -> Row:  # noqa: ANN401 - takes a text
    row: Row = {}
    for name, kind in types.items():
        value = fields.get(name)
        try:
            row[name] = None if value is None else conversion(kind)(value)
        except (ValueError, KeyError, TypeError):
            row[name] = None
            tell(f"{name}: {str(value)[:60]!r} is no {kind}")
    return row
