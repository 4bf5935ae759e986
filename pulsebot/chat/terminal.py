"""How a message looks in a terminal: colours by severity, tables, local time.

Owns the rendering alone: who prints it, and when, is the caller's business (the console chat,
the answers and previews of the command line). Text in messages comes from events, so it is
made harmless here: nothing in it can move the cursor, colour the screen or ring the bell.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text as Line

from pulsebot.message import (
    Code,
    Fields,
    Link,
    Message,
    Note,
    Part,
    Severity,
    Table,
    Text,
    is_number,
    plain,
)

STYLES: dict[Severity, str] = {
    "info": "cyan",
    "warning": "yellow",
    "error": "bright_red",
    "critical": "bold red",
    "resolved": "green",
}
FOLDED = 24
"""Columns of a terminal in which a long text can still be read."""

CODE_LINES = 16
"""A longer stack is shown by its first and last lines; both ends matter, by language."""

_MARK = {"resolved": "✔", "critical": "✖"}
_STAMP = "%H:%M:%S"
_INDENT = 11  # under the title: "HH:MM:SS ● "


def visible(text: str) -> str:
    """Return text in which control characters are shown, not obeyed; line breaks are kept."""
    return "".join(map(_harmless, text.replace("\r\n", "\n").replace("\t", "    ")))


def _harmless(char: str) -> str:
    category = unicodedata.category(char)
    if char == "\n" or category[0] not in "CZ":
        return char
    if char < " ":
        return chr(0x2400 + ord(char))  # the picture of the control character, such as ␛
    if category in {"Cc", "Cs"} or unicodedata.bidirectional(char) in _BIDI:
        return "�"
    return " " if category in {"Zl", "Zp"} else char


_BIDI = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})


def terminal(console: Console) -> bool:
    """Tell whether looks are worth it: a terminal that is able to do more than print."""
    return console.is_terminal and not console.is_dumb_terminal


def alert_text(message: Message, at: datetime) -> str:
    """Render a message without looks, one line to search for and the rest indented."""
    return visible(f"{at:{_STAMP}} {plain(message)}").replace("\n", "\n  ")


def answer_text(message: Message) -> str:
    """Render an answer without looks."""
    return visible(plain(message))


def alert(message: Message, at: datetime) -> RenderableType:
    """Render a message that came by itself; `at` is already in the reader's zone."""
    style = STYLES.get(message.severity or "info", "")
    head = Line.assemble(
        (f"{at:{_STAMP}} ", "dim"),
        (f"{_MARK.get(message.severity or '', '●')} ", style),
        (visible(message.title), style if message.severity == "critical" else "bold"),
        overflow="fold",
    )
    body = [Padding(_alert_part(part), (0, 0, 0, _INDENT)) for part in message.parts]
    return Group(head, *body)


def answer(message: Message) -> RenderableType:
    """Render the answer to a command."""
    style = STYLES[message.severity] if message.severity else "bold"
    parts = (Padding(_part(part), (0, 0, 0, 1)) for part in message.parts)
    return Group(Line(visible(message.title), style), *parts)


def _alert_part(part: Part) -> RenderableType:
    return _inline(part.items) if isinstance(part, Fields) else _part(part)


def _part(part: Part) -> RenderableType:
    match part:
        case Text(text):
            return Line(visible(text), overflow="fold")
        case Note(text):
            return Line(visible(text), "dim", overflow="fold")
        case Code(text):
            return _Barred(tuple(_shortened(visible(text).rstrip("\n").split("\n"))))
        case Link(label, url):
            return Line.assemble(
                visible(label), " ", (visible(url), "cyan underline"), overflow="fold"
            )
        case Fields(items):
            return _rows(items)
        case Table(header, rows):
            return grid(header, rows)


@dataclass(frozen=True, slots=True)
class _Flow:
    """Labelled values beside each other; a line is broken between two of them if it can be."""

    pairs: tuple[Line, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        del console
        lines = [Line(overflow="fold")]
        for pair in self.pairs:
            if lines[-1] and lines[-1].cell_len + 2 + pair.cell_len > options.max_width:
                lines.append(Line(overflow="fold"))
            lines[-1].append_text(Line("  " if lines[-1] else "") + pair)
        yield from lines


def _inline(items: Iterable[tuple[str, str]]) -> _Flow:
    return _Flow(
        tuple(
            Line.assemble((f"{visible(label)} ", "dim"), visible(value)) for label, value in items
        )
    )


def _rows(items: Iterable[tuple[str, str]]) -> Grid:
    grid = Grid.grid(padding=(0, 2))
    for label, value in items:
        grid.add_row(Line(visible(label), "dim"), Line(visible(value), overflow="fold"))
    return grid


def grid(header: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> RenderableType:
    """Render rows under a header; every row has as many cells as the header."""
    if not rows:
        return Line("(nothing)", "dim")
    grid = Grid(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="dim")
    for column, name in enumerate(header):
        numbers = all(is_number(row[column]) for row in rows)
        grid.add_column(Line(visible(name)), justify="right" if numbers else "left")
    for row in rows:
        grid.add_row(*(Line(visible(cell), overflow="fold") for cell in row))
    return grid


def upright(header: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> RenderableType:
    """Render each row as lines of name and value, where a grid would be too wide to be read."""
    blocks = [_rows(zip(header, row, strict=True)) for row in rows]
    return Group(*(part for block in blocks for part in (block, Line())))


def fits(header: tuple[str, ...], rows: tuple[tuple[str, ...], ...], width: int) -> bool:
    """Tell whether a grid can be read at a width: at most its widest column is folded."""
    columns = zip(header, *rows, strict=True)
    widths = sorted(max(cell_len(visible(cell)) for cell in column) for column in columns)
    return sum(widths[:-1]) + min(widths[-1], FOLDED) + 2 * (len(widths) - 1) <= width


@dataclass(frozen=True, slots=True)
class _Barred:
    """Code behind a bar, which also stands before what is left of a line that was too long."""

    lines: tuple[str, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        bar = Line("│ ", "dim")
        for line in self.lines:
            for piece in Line(line, "dim").wrap(console, max(options.max_width - 2, 1)) or [Line()]:
                yield bar + piece


def _shortened(lines: list[str]) -> list[str]:
    if len(lines) <= CODE_LINES:
        return lines
    ends = CODE_LINES // 2
    left_out = f"… {len(lines) - 2 * ends} more lines …"
    return [*lines[:ends], left_out, *lines[-ends:]]
