"""Strict YAML: one mapping of plain values, and the line each one stands on.

Anchors, aliases, tags, merge keys, duplicate keys, tabs, several documents, deep nesting and
large files are refused, all faults at once. Scalars are read as YAML 1.2 has them, so `on`
and `09:00` are texts; every key is a text. Times stay texts. An empty file has no values.

This module must not know what the values mean.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from pulsebot.errors import InvalidConfig, Problem

MAX_BYTES = 262_144
MAX_DEPTH = 16

Loc = tuple[str | int, ...]

_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_NUMBER = re.compile(r"[-+]?(\.[0-9]{1,300}|[0-9]{1,300}(\.[0-9]{0,300})?)([eE][-+]?[0-9]{1,3})?")
_SURROGATE = re.compile("[\ud800-\udfff]")
_WORDS = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False,
             "FALSE": False}  # fmt: skip


@dataclass(slots=True)
class Tree:
    """The values of a file, and the line (1-based) of each by its path of keys and indexes."""

    file: str
    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[Loc, int] = field(default_factory=dict)

    def line(self, loc: Loc) -> int:
        """Return the line of a path, or of the nearest part of it that is there."""
        for length in range(len(loc), 0, -1):
            if loc[:length] in self.lines:
                return self.lines[loc[:length]]
        return 1


def read(path: Path) -> Tree:
    """Read a file. Raises InvalidConfig with every fault of its form."""
    name = str(path)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvalidConfig([Problem(name, 0, f"cannot be read: {error.strerror}")]) from error
    return parse(raw, name)


def parse(raw: bytes, name: str) -> Tree:
    """Parse the bytes of a file called `name`. Raises InvalidConfig."""
    if len(raw) > MAX_BYTES:
        raise InvalidConfig([Problem(name, 0, f"larger than {MAX_BYTES:,} bytes; split it up")])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise InvalidConfig([Problem(name, line, "not UTF-8; save the file as UTF-8")]) from error
    if tabs := list(_tabs(text, name)):
        raise InvalidConfig(tabs)
    return _Builder(name).build(text)


def _tabs(text: str, name: str) -> Iterator[Problem]:
    for number, line in enumerate(text.split("\n"), 1):
        if "\t" in line[: len(line) - len(line.lstrip())] and line.strip():
            yield Problem(name, number, "a tab in the indentation; use spaces")


class _Builder:
    """Builds a tree out of the parser's events, noting every fault on the way."""

    def __init__(self, name: str) -> None:
        self._tree = Tree(name)
        self._problems: list[Problem] = []
        self._events: Iterator[Event] = iter(())

    def build(self, text: str) -> Tree:
        # YAML(pure) is the parser written in Python: the one that knows YAML 1.2.
        self._events = iter(YAML(typ="safe", pure=True).parse(text))
        try:
            values = self._document()
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self._fault(mark.line + 1 if mark else 0, f"not YAML: {error.problem}")
        except (YAMLError, ValueError, OverflowError, RecursionError, IndexError) as error:
            # Besides its own errors the parser lets Python's out on broken escapes.
            self._fault(0, f"not YAML: {str(error).splitlines()[0] if str(error) else 'broken'}")
        else:
            if isinstance(values, dict):
                self._tree.values = values
            elif values is not None and not self._problems:
                self._fault(1, "must be a mapping of `key: value` lines")
        if self._problems:
            raise InvalidConfig(self._problems)
        return self._tree

    def _document(self) -> Any:  # noqa: ANN401 - a YAML value is anything
        values, documents = None, 0
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._fault(_line(event), "a second document (`---`); one file holds one")
                if event.version is not None or event.tags:
                    self._fault(_line(event), "`%` directives are not allowed; remove them")
            elif isinstance(
                event, ScalarEvent | SequenceStartEvent | MappingStartEvent | AliasEvent
            ):
                value = self._value(event, ())
                values = value if documents == 1 else values
        return values

    def _value(self, event: Event, loc: Loc) -> Any:  # noqa: ANN401 - a YAML value is anything
        self._refuse(event)
        if len(loc) > MAX_DEPTH:
            self._fault(_line(event), f"nested deeper than {MAX_DEPTH} levels")
            raise InvalidConfig(self._problems)
        if isinstance(event, MappingStartEvent):
            return self._mapping(loc)
        if isinstance(event, SequenceStartEvent):
            return self._sequence(loc)
        return self._scalar(event) if isinstance(event, ScalarEvent) else None

    def _mapping(self, loc: Loc) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while not isinstance(event := next(self._events), MappingEndEvent):
            key = self._key(event, loc)
            if key in values:
                first = self._tree.lines[(*loc, key)]
                self._fault(_line(event), f"`{key}` is there twice (first in line {first})")
            self._tree.lines.setdefault((*loc, key), _line(event))
            values[key] = self._value(next(self._events), (*loc, key))
        return values

    def _sequence(self, loc: Loc) -> list[Any]:
        values: list[Any] = []
        while not isinstance(event := next(self._events), SequenceEndEvent):
            here = (*loc, len(values))
            self._tree.lines[here] = _line(event)
            values.append(self._value(event, here))
        return values

    def _key(self, event: Event, loc: Loc) -> str:
        if not isinstance(event, ScalarEvent):
            self._fault(_line(event), "a key must be a word")
            self._value(event, (*loc, ""))
            return ""
        self._refuse(event)
        if event.value == "<<":
            self._fault(_line(event), "merge keys (`<<`) are not allowed; write the keys out")
        return str(event.value)

    def _scalar(self, event: ScalarEvent) -> Any:  # noqa: ANN401 - a YAML value is anything
        text = str(event.value)
        return plain_value(text) if event.style is None else text

    def _refuse(self, event: Event) -> None:
        if isinstance(event, AliasEvent) or getattr(event, "anchor", None):
            self._fault(_line(event), "anchors and aliases are not allowed; write the value out")
        elif getattr(event, "ctag", None) or getattr(event, "tag", None):
            self._fault(_line(event), "tags (`!…`) are not allowed; remove it")
        if _SURROGATE.search(getattr(event, "value", "")):
            self._fault(_line(event), "half a character (a lone surrogate) in a text")

    def _fault(self, line: int, message: str) -> None:
        self._problems.append(Problem(self._tree.file, line, message))


def plain_value(text: str) -> str | int | float | bool | None:
    """Return what an unquoted scalar means in YAML 1.2 (decimal numbers only)."""
    if text in _WORDS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text


def _line(event: Event) -> int:
    return int(event.start_mark.line) + 1
