"""The page of the SQL views: each with a chart, its newest rows, and how far it is."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from markupsafe import Markup

from pulsebot.store import viewcatalog, viewcharts
from pulsebot.store.database import Connection
from pulsebot.store.viewcatalog import Entry
from pulsebot.web.board import charts, health, rendering, wording
from pulsebot.web.board.base import Picture, Scene
from pulsebot.web.board.charts import Bar

REDRAW_MS = 3_000
"""Between two looks into the views: a chart may read some thousand rows."""

WINDOWS = 30
LARGEST = 20
ROWS = 10
COUNTED = 100_000


class Built(Protocol):
    """How far a version is that is being built: records read, of how many."""

    @property
    def done(self) -> int:
        """Records read."""

    @property
    def total(self) -> int:
        """Records to read."""


Progress = Callable[[int], Built | None]
"""Tells how far a version is by its id; None for one that is not being built."""


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One version of a view with all that is shown of it.

    `rows` and whether there may be more; `column` is empty where none holds numbers, `chart`
    None then and where there is nothing to draw.
    """

    entry: Entry
    progress: tuple[int, int] | None
    rows: tuple[int, bool]
    chart: Markup | None
    told: str
    column: str
    by: str
    bars: tuple[Bar, ...]
    sample: list[dict[str, Any]]


class Gallery:
    """Draws all tables of the catalog."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._drawn_ms = 0
        self._seen: object = None
        self._cells: dict[str, Markup] = {}

    def draw(self, connection: Connection, scene: Scene) -> Picture:
        """Return a cell for each version of a view."""
        entries = [e for e in viewcatalog.entries(connection) if e.kind == "TABLE"]
        building = [self._building(entry) for entry in entries]
        seen = viewcatalog.revision(connection), entries, building
        if seen != self._seen and not 0 <= scene.now_ms - self._drawn_ms < REDRAW_MS:
            self._seen, self._drawn_ms = seen, scene.now_ms
            self._cells = {f"view-{e.id}": self._exhibit(connection, e) for e in entries}
        return Picture({**health.cells(scene), **self._cells}, tuple(self._cells))

    def _building(self, entry: Entry) -> tuple[int, int] | None:
        built = self._progress(entry.id)
        return (built.done, built.total) if built else None

    def _exhibit(self, connection: Connection, entry: Entry) -> Markup:
        columns = viewcharts.columns(connection, entry.id)
        told, column, bars = "", "", list[Bar]()
        by = "window" if columns.windowed else "key"
        for column, kind in list(columns.numbers.items())[:1]:
            # Whole numbers are counts or sums, as good as always; a mean must not be added up.
            how = "sum" if kind == "INTEGER" else "max"
            if columns.windowed:
                found = viewcharts.by_window(connection, entry.id, column, how, WINDOWS)
                bars = [Bar(_window(start), value) for start, value in found]
                what = "added up over all keys" if how == "sum" else "the largest of all keys"
                told = f"{column}, {what}, by window: the newest {len(bars)}{_most(bars)}"
            else:
                found = viewcharts.largest(connection, entry.id, column, columns.keys, LARGEST)
                bars = [Bar(key, value) for key, value in found]
                told = f"{column} by key: the largest {len(bars)}{_most(bars)}"
        live = entry.state == "live"
        exhibit = Exhibit(
            entry,
            self._building(entry),
            viewcharts.count(connection, entry.id, COUNTED),
            charts.bars(bars, told) if bars else None,
            told,
            column,
            by,
            tuple(bars),
            viewcharts.newest(connection, entry.id, entry.name, ROWS) if live else [],
        )
        return Markup(rendering.render("view.html", {"x": exhibit}))  # noqa: S704 - our own template, which escapes


def _most(bars: list[Bar]) -> str:
    top = max(bars, key=lambda bar: bar.value, default=None)
    return f"; most {wording.number(top.value)} in {top.label}" if top else ""


def _window(start: str | None) -> str:
    """Return a window's start in few words: the date alone where it begins at midnight."""
    local = datetime.fromisoformat(start) if start else None
    if local is None:
        return "–"
    day = f"{local.day} {local:%b}"
    return day if (local.hour, local.minute) == (0, 0) else f"{day} {local:%H:%M}"
