"""Answers to statements: some words, columns and rows, or how far a view is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """What a statement gives: `said` in words, and rows where it asked for any.

    `cut` says why there are not all rows, where there are more.
    """

    said: str = ""
    columns: tuple[str, ...] = ()
    rows: Sequence[Sequence[Any]] = ()
    cut: str = ""


@dataclass(frozen=True, slots=True)
class Building:
    """How far a view is that is being built: records of the log that it has read."""

    name: str
    done: int
    total: int


Piece = Answer | Building
