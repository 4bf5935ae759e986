"""Answers to statements: some words, or columns and rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """What a statement gives: `said` in words, and rows where it asked for any.

    `cut` is true where there were more rows than were asked for.
    """

    said: str = ""
    columns: tuple[str, ...] = ()
    rows: Sequence[Sequence[Any]] = ()
    cut: bool = False
