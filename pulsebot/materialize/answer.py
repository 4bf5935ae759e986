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


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed in a view, or came in on a stream that is watched.

    Rows of a view end with what became of them: `set` or `gone`. `since` is where to go on
    from, for another time; after a `reset` nothing counts that was told before. `missed` is how
    many events were left out before these, because they were taken too slowly.
    """

    columns: tuple[str, ...]
    rows: Sequence[Sequence[Any]] = ()
    since: str = ""
    reset: bool = False
    missed: int = 0


Piece = Answer | Building | Changes
