"""How answers to statements look: as a table, JSON or CSV, and where a fault is.

What is an answer goes to standard output, words about it to standard error if the answer is
for a program. Nothing from an event can play with the terminal.
"""

from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.text import Text

from pulsebot.chat.terminal import fits, grid, terminal, upright, visible
from pulsebot.errors import PulsebotError
from pulsebot.materialize.answer import Answer, Building, Changes, Piece
from pulsebot.materialize.export import csv_lines, json_lines
from pulsebot.message import table_text
from pulsebot.phrases import plural
from pulsebot.terminal.sqlwords import BOUNDS
from pulsebot.views.place import InvalidSql

SHOWN = 100
"""Characters of a statement's line that are shown above the mark of a fault."""


USUAL = dict.fromkeys(BOUNDS, len("2026-11-20T00:00:00+01:00"))
"""Widths of columns that are known before any row comes."""


class Output(StrEnum):
    """How rows are written."""

    table = "table"
    json = "json"
    csv = "csv"


class Show:
    """Shows what statements give, piece by piece."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._out = _console(stderr=False)
        self._err = _console(stderr=True)
        self._bar: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._columns: tuple[str, ...] = ()
        self._widths: list[int] = []

    async def all(self, pieces: AsyncIterator[Piece]) -> None:
        """Show pieces until there are no more."""
        self._columns = ()
        try:
            async for piece in pieces:
                match piece:
                    case Building():
                        self._building(piece)
                    case Answer():
                        self._end_bar()
                        self.answer(piece)
                    case Changes():
                        self.changes(piece)
        finally:
            self._end_bar()

    def answer(self, answer: Answer) -> None:
        """Show an answer."""
        if answer.said:
            self._say(answer.said)
        if not answer.columns:
            return
        match self._output:
            case Output.table:
                self._table(answer)
            case Output.json:
                for line in json_lines(answer.rows, answer.columns):
                    self._write(f"{line}\n")
            case Output.csv:
                self._write(csv_lines(answer.rows, answer.columns))
        if answer.cut:
            self._say(f"These are {answer.cut}.")

    def changes(self, changes: Changes) -> None:
        """Show changes, each kind of row under a header that is shown once."""
        begins, self._columns = changes.columns != self._columns, changes.columns
        if changes.reset:
            self._say("More rows went than are remembered; all that are there follow again.")
        if changes.missed:
            self._say(f"{changes.missed:,} events came too quickly to be shown.")
        match self._output:
            case Output.table:
                self._lines(changes, begins=begins)
            case Output.json:
                for line in json_lines(changes.rows, changes.columns):
                    self._write(f"{line}\n")
            case Output.csv:
                self._write(csv_lines(changes.rows, changes.columns if begins else ()))

    def _lines(self, changes: Changes, *, begins: bool) -> None:
        """Write rows in columns that only grow: nobody knows what is still to come."""
        if begins:
            self._widths = [USUAL.get(n, cell_len(visible(n))) for n in changes.columns]
        cells = [[" ".join(visible(_cell(v)).split()) for v in row] for row in changes.rows]
        for row in ([list(map(visible, changes.columns))] if begins else []) + cells:
            lengths = map(cell_len, row)
            self._widths = [max(pair) for pair in zip(self._widths, lengths, strict=True)]
            padded = [
                cell + " " * (width - cell_len(cell))
                for cell, width in zip(row, self._widths, strict=True)
            ]
            self._write("  ".join(padded).rstrip() + "\n")

    def _table(self, answer: Answer) -> None:
        rows = tuple(tuple(map(_cell, row)) for row in answer.rows)
        if not terminal(self._out):
            self._write(visible(table_text(answer.columns, rows)) + "\n")
            return
        wide = rows and not fits(answer.columns, rows, self._out.width)
        self._out.print((upright if wide else grid)(answer.columns, rows))
        self._out.print(Text(plural(len(rows), "row"), "dim"))

    def _write(self, text: str) -> None:
        self._out.file.write(text)
        self._out.file.flush()

    def _say(self, text: str) -> None:
        console = self._out if self._output is Output.table else self._err
        console.print(Text(visible(text)), soft_wrap=True)

    def _building(self, building: Building) -> None:
        if not terminal(self._err):
            return
        if self._bar is None:
            columns = (TextColumn("building {task.description}"), BarColumn(), MofNCompleteColumn())
            self._bar = Progress(*columns, console=self._err, transient=True)
            self._bar.start()
        if building.name not in self._tasks:
            self._tasks[building.name] = self._bar.add_task(visible(building.name), total=None)
        task = self._tasks[building.name]
        self._bar.update(task, completed=building.done, total=building.total or None)

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
            self._tasks.clear()


def pointed(text: str, error: PulsebotError, file: str = "") -> str:
    """Return what an error says, under the line of the text that it is about."""
    name = f"{file}: " if file else ""
    lines = text.splitlines()
    if not isinstance(error, InvalidSql) or not 1 <= error.place.line <= len(lines):
        return visible(f"{name}{error}")
    at = error.place
    place = f"{file}:{at.line}:{at.column}: {error.message}" if file else str(error)
    line, column = lines[error.place.line - 1], error.place.column - 1
    first = max(0, column - SHOWN // 2)
    before, shown = line[first:column], line[first : first + SHOWN]
    mark = " " * cell_len(visible(before)) + "^"
    return "\n".join([visible(shown), mark, visible(place)])


def _cell(value: Any) -> str:  # noqa: ANN401 - whatever SQLite holds
    return "–" if value is None else str(value)


def _console(*, stderr: bool) -> Console:
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)
