"""Reads a settings file strictly, with the environment laid over it.

Every fault is told as `file:line: message` or `VARIABLE: message`, all of them at once. An
environment variable `PREFIX_A__B` sets key `b` of section `a` (lists and mappings as JSON),
`PREFIX_A__B_FILE` names a file that holds the value. No fault ever shows a value that may be
a secret.

This module must not know what the settings mean; the form of the file is `pulsebot.yamltree`'s.
"""

import json
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pulsebot.errors import InvalidConfig, InvalidInput, Problem
from pulsebot.mends import mend, real_path, unknown_key, wrong_word
from pulsebot.yamltree import Loc, Tree, read

M = TypeVar("M", bound=BaseModel)

_PORT = re.compile(r"\]:[0-9]*$")

NEAR = 0.8
"""How alike the name of a variable must be to a setting's to be taken for a slip of the pen."""

Variables = dict[Loc, str]
"""The variable that set a value, by the value's path."""


def load(model: type[M], path: Path | None, environ: Mapping[str, str], prefix: str) -> M:
    """Return the settings of a file (None: no file) and the environment over it.

    Raises InvalidConfig with every problem.
    """
    tree = read(path) if path else Tree("settings")
    variables = overlay(tree, environ, prefix, frozenset(model.model_fields))
    try:
        return model.model_validate(tree.values)
    except ValidationError as error:
        problems = [_problem(model, tree, variables, fault) for fault in error.errors()]
        # The cause would show the values, and some of them are secrets.
        raise InvalidConfig(problems) from None


def overlay(
    tree: Tree, environ: Mapping[str, str], prefix: str, known: frozenset[str]
) -> Variables:
    """Lay the variables whose first part is a known key over the tree, and return them.

    Raises InvalidConfig with every variable that cannot be read, or is all but a setting's name.
    Others that only begin alike are not ours: Kubernetes makes some for each service.
    """
    variables: Variables = {}
    problems: list[Problem] = []
    for variable in sorted(environ, key=_types_first):
        if not variable.startswith(prefix):
            continue
        parts = variable[len(prefix) :].lower().split("__")
        from_file = parts[-1].endswith("_file") and parts[-1] not in known
        if from_file:
            parts[-1] = parts[-1].removesuffix("_file")
        if parts[0] not in known:
            if close := get_close_matches(parts[0], known, n=1, cutoff=NEAR):
                meant = f"{prefix}{close[0].upper()}"
                problems.append(Problem(variable, 0, f"is no setting; did you mean {meant}?"))
            continue
        try:
            text = _file_text(environ[variable]) if from_file else environ[variable]
            _put(tree, parts, _value(text))
            variables[tuple(parts)] = variable
        except InvalidInput as error:
            problems.append(Problem(variable, 0, str(error)))
    if problems:
        raise InvalidConfig(problems)
    return variables


def _file_text(path: str) -> str:
    # Neither error may show the path: somebody may have put the secret itself there.
    try:
        return Path(path).read_text("utf-8").rstrip("\r\n")
    except OSError as error:
        raise InvalidInput(f"the file that it names cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InvalidInput("the file that it names is not UTF-8 text") from None


def _types_first(variable: str) -> tuple[bool, str]:
    """Order variables so that a section's type is settled before what goes with it."""
    return not variable.endswith("__TYPE"), variable


def _put(tree: Tree, parts: list[str], value: object) -> None:
    section = tree.values
    for index, part in enumerate(parts[:-1]):
        if section.get(part) is None:  # not there, or there with nothing after the colon
            section[part] = {}
        section = section[part]
        if not isinstance(section, dict):
            raise InvalidInput(f"`{'.'.join(parts[: index + 1])}` is not a section")
    if parts[-1] == "type" and section.get("type", value) != value:
        section.clear()  # what the file says of another type does not go with this one
    section[parts[-1]] = value
    # The lines of what stood there before would blame the file for the variable's value.
    tree.lines = {loc: n for loc, n in tree.lines.items() if loc[: len(parts)] != tuple(parts)}


def _value(text: str) -> object:
    ipv6 = text.startswith("[") and _PORT.search(text)  # `[::1]:8080` is an address, no list
    if ipv6 or not text.startswith(("[", "{")):
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidInput(f"not JSON: {error}") from None


def _problem(
    model: type[BaseModel], tree: Tree, variables: Variables, error: ErrorDetails
) -> Problem:
    loc = real_path(tree.values, error)
    message = _message(model, loc, error)
    for length in range(len(loc), 0, -1):
        if variable := variables.get(loc[:length]):
            return Problem(variable, 0, message)
        if line := tree.lines.get(loc[:length]):
            return Problem(tree.file, line, message)
    return Problem(tree.file, 0, message)


def _message(model: type[BaseModel], loc: Loc, error: ErrorDetails) -> str:
    key = ".".join(str(part) for part in loc) or "the file"
    context: dict[str, Any] = error.get("ctx") or {}
    if error["type"] == "extra_forbidden":
        return unknown_key(key, sorted(_keys(model, loc[:-1])))
    if error["type"] == "missing":
        return f"`{key}` is missing"
    if error["type"] == "literal_error":
        return wrong_word(key, error["input"], context["expected"])
    if error["type"] == "union_tag_invalid":
        return wrong_word(f"{key}.type", context["tag"], context["expected_tags"])
    if error["type"] == "union_tag_not_found":
        return f"`{key}` lacks its `type`"
    return f"`{key}`: {mend(error, secret=True)}"


def _keys(model: type[BaseModel], loc: Loc) -> set[str]:
    """Return the keys that may stand at a path."""
    models = [model]
    for part in loc:  # a name in a mapping, or an index, is no field: its models are known
        fields = [m.model_fields[part] for m in models if part in m.model_fields]
        if fields:
            models = [inner for field in fields for inner in _models(field.annotation)]
    return {name for m in models for name in m.model_fields}


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """Yield the models that a value may be, also inside lists and mappings."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)
