"""Reads a settings file strictly, with the environment laid over it.

YAML without anchors, aliases and duplicate keys; every fault is told as `file:line: message`,
all of them at once. An environment variable `PREFIX_A__B` sets key `b` of section `a` (lists
and mappings as JSON), `PREFIX_A__B_FILE` names a file that holds the value.

This module must not know what the settings mean.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent

from pulsebot.errors import InvalidConfig, Problem

MAX_BYTES = 1_000_000

Loc = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)


@dataclass(slots=True)
class Tree:
    """Plain values, and where each came from: `(file or variable, line)` by path of keys."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[Loc, tuple[str, int]] = field(default_factory=dict)


def load(model: type[M], path: Path | None, environ: Mapping[str, str], prefix: str) -> M:
    """Return the settings of a file (None: no file) and the environment over it.

    Raises InvalidConfig with every problem.
    """
    tree = read(path) if path else Tree()
    overlay(tree, environ, prefix, frozenset(model.model_fields))
    try:
        return model.model_validate(tree.values)
    except ValidationError as error:
        name = str(path) if path else "settings"
        raise InvalidConfig([_problem(name, tree, e) for e in error.errors()]) from error


def read(path: Path) -> Tree:
    """Read a YAML mapping. Raises InvalidConfig."""
    name = str(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InvalidConfig([Problem(name, 0, f"larger than {MAX_BYTES} bytes")])
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfig([Problem(name, 0, f"cannot be read: {error}")]) from error
    try:
        _refuse_aliases(name, text)
        document = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        problem = (error.problem or "not YAML").split("\n")[0]
        raise InvalidConfig([Problem(name, line, problem)]) from error
    except YAMLError as error:
        raise InvalidConfig([Problem(name, 0, f"not YAML: {error}")]) from error
    if document is None:
        return Tree()
    if not isinstance(document, CommentedMap):
        raise InvalidConfig([Problem(name, 1, "must be a mapping of `key: value` lines")])
    tree = Tree()
    tree.values = _plain(document, (), name, tree.places)
    return tree


def overlay(tree: Tree, environ: Mapping[str, str], prefix: str, known: frozenset[str]) -> None:
    """Lay the variables whose first part is a known key over the tree. Raises InvalidConfig."""
    for variable in sorted(environ):
        if not variable.startswith(prefix):
            continue
        parts = variable[len(prefix) :].lower().split("__")
        from_file = parts[-1].endswith("_file") and parts[-1] not in known
        if from_file:
            parts[-1] = parts[-1].removesuffix("_file")
        if parts[0] in known:
            value = _file_text(variable, environ[variable]) if from_file else environ[variable]
            _put(tree, parts, variable, value)


def _refuse_aliases(name: str, text: str) -> None:
    for event in YAML(typ="rt").parse(text):
        if isinstance(event, AliasEvent) or getattr(event, "anchor", None):
            line = event.start_mark.line + 1
            raise InvalidConfig([Problem(name, line, "anchors and aliases are not allowed")])


def _plain(node: Any, loc: Loc, name: str, places: dict[Loc, tuple[str, int]]) -> Any:  # noqa: ANN401 - a YAML value is anything
    if isinstance(node, CommentedMap):
        for key in node:
            places[(*loc, key)] = (name, node.lc.key(key)[0] + 1)
        return {key: _plain(node[key], (*loc, key), name, places) for key in node}
    if isinstance(node, CommentedSeq):
        for index in range(len(node)):
            places[(*loc, index)] = (name, node.lc.item(index)[0] + 1)
        return [_plain(item, (*loc, i), name, places) for i, item in enumerate(node)]
    return str(node) if isinstance(node, str) else node


def _file_text(variable: str, path: str) -> str:
    try:
        return Path(path).read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfig([Problem(variable, 0, f"cannot be read: {error}")]) from error


def _put(tree: Tree, parts: list[str], variable: str, text: str) -> None:
    section = tree.values
    for index, part in enumerate(parts[:-1]):
        inner = section.setdefault(part, {})
        if not isinstance(inner, dict):
            where = ".".join(parts[: index + 1])
            raise InvalidConfig([Problem(variable, 0, f"`{where}` is not a section")])
        section = inner
    section[parts[-1]] = _value(variable, text)
    tree.places[tuple(parts)] = (variable, 0)


def _value(variable: str, text: str) -> object:
    if not text.startswith(("[", "{")):
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidConfig([Problem(variable, 0, f"not JSON: {error}")]) from error


def _problem(name: str, tree: Tree, error: ErrorDetails) -> Problem:
    loc = _real_path(tree.values, error["loc"])
    file, line = name, 0
    for length in range(len(loc), 0, -1):
        if loc[:length] in tree.places:
            file, line = tree.places[loc[:length]]
            break
    return Problem(file, line, _message(loc, error))


def _real_path(values: Any, loc: Loc) -> Loc:  # noqa: ANN401 - a YAML value is anything
    """Return `loc` without the names that pydantic adds for the member of a union."""
    path: list[str | int] = []
    for index, part in enumerate(loc):
        known = isinstance(values, dict) and part in values
        known = known or (isinstance(values, list) and isinstance(part, int))
        if not known and index < len(loc) - 1:
            continue
        path.append(part)
        if known:
            values = values[part]
    return tuple(path)


def _message(loc: Loc, error: ErrorDetails) -> str:
    key = ".".join(str(part) for part in loc) or "the file"
    if error["type"] == "extra_forbidden":
        return f"`{key}` is not a known key"
    if error["type"] == "missing":
        return f"`{key}` is missing"
    return f"`{key}`: {error['msg'].removeprefix('Value error, ')}"
