"""The first page: all services. What its cells are, and which lines a reader asked for."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pulsebot.store.database import Connection
from pulsebot.web.board import cells, health, wording
from pulsebot.web.board.base import Picture, Scene
from pulsebot.web.board.cells import TROUBLE
from pulsebot.web.board.roster import SILENT, WORST_FIRST, Line
from pulsebot.web.board.spans import Spans

MAX_ROWS = 2_000
"""Services on one page; a reader finds others by searching."""

MAX_TAGS = 300
"""Tags offered to choose from, the most frequent."""


class Overview:
    """Draws the roster; a line that stayed as it was is not drawn again."""

    def __init__(self) -> None:
        self._spans: Spans | None = None
        self._drawn: dict[str, tuple[Line, dict[str, str]]] = {}

    def draw(self, connection: Connection, scene: Scene) -> Picture:
        """Return the cells of every line, and of the summary above them."""
        del connection
        roster = scene.roster
        if roster.spans != self._spans:
            self._spans = roster.spans
            self._drawn.clear()
        drawn = {
            **health.cells(scene),
            **cells.of_summary(roster.lines.values()),
            "windows": wording.windows(roster.spans),
        }
        for name, line in roster.lines.items():
            kept = self._drawn.get(name)
            if kept is None or kept[0] != line:
                key = wording.key(name)
                of_line = cells.of_line(line, roster.spans)
                kept = line, {f"{key}-{short}": html for short, html in of_line.items()}
                self._drawn[name] = kept
            drawn.update(kept[1])
        return Picture(drawn, frozenset(roster.lines))


@dataclass(frozen=True, slots=True)
class Query:
    """What a reader asked to see of the roster, from the address of the page."""

    text: str = ""
    state: str = ""
    tag: str = ""
    sort: str = "trouble"

    @classmethod
    def of(cls, asked: Mapping[str, str]) -> "Query":
        """Read the parameters of an address; unknown orders are the first one."""
        sort = asked.get("sort", "")
        return cls(
            asked.get("q", "").strip()[:255],
            asked.get("state", ""),
            asked.get("tag", ""),
            sort if sort in ORDERS else "trouble",
        )

    def fits(self, line: Line) -> bool:
        """Tell whether a line is asked for."""
        return (
            self.text.lower() in searched(line)
            and (not self.state or self.state == line.state or self._in_trouble(line))
            and (not self.tag or self.tag in labels(line))
        )

    def _in_trouble(self, line: Line) -> bool:
        return self.state == "trouble" and (line.state in TROUBLE or bool(line.alerts))

    def order(self, lines: Iterable[Line]) -> list[Line]:
        """Return lines in the order asked for; equal ones by name."""
        by_name = sorted(lines, key=lambda line: (line.service.lower(), line.service))
        return sorted(by_name, key=ORDERS[self.sort][1])


_STATES = (*WORST_FIRST, SILENT)
ORDERS: dict[str, tuple[str, Callable[[Line], Any]]] = {
    "trouble": (
        "Trouble first",
        lambda line: (_STATES.index(line.state) > 1, not line.alerts, _STATES.index(line.state)),
    ),
    "name": ("Name", lambda _: 0),
    "triggers": ("Triggers today", lambda line: -line.counts.triggers),
    "crashes": ("Crashes today", lambda line: -line.counts.crashes_today),
    "week": ("Crashes this week", lambda line: -line.counts.crashes_week),
    "message": ("Last message", lambda line: -(line.message.at_ms if line.message else 0)),
    "alerts": ("Open alerts", lambda line: -len(line.alerts)),
}
"""By its name in the address: what an order is called, and its key. `roster.js` knows them too."""


def labels(line: Line) -> tuple[str, ...]:
    """Return a line's tags as `name=value`."""
    return tuple(f"{name}={value}" for name, value in line.tags)


def searched(line: Line) -> str:
    """Return what a search looks through: the name and the tags, a line each.

    In lower case as a browser's script makes it, so that both find the same.
    """
    parts = (line.service, *labels(line))
    return "\n".join(wording.one_line(part) for part in parts).lower()


def choices(lines: Iterable[Line]) -> dict[str, list[str]]:
    """Return the tags there are to filter by: `name=value` by name."""
    seen = Counter(label for line in lines for label in labels(line))
    found: dict[str, list[str]] = {}
    for label, _ in seen.most_common(MAX_TAGS):
        found.setdefault(label.partition("=")[0], []).append(label)
    return {name: sorted(values) for name, values in sorted(found.items())}


def asked(query: Query, lines: Iterable[Line], cells: Mapping[str, object]) -> dict[str, object]:
    """Return what the page's template needs: rows that fit first, then the others, hidden."""
    known = [line for line in lines if f"{wording.key(line.service)}-st" in cells]
    fitting = query.order(line for line in known if query.fits(line))
    others = query.order(line for line in known if not query.fits(line))
    tags = choices(known)
    rows = [(line, True) for line in fitting] + [(line, False) for line in others]
    return {
        "rows": rows[:MAX_ROWS],
        "found": len(fitting),
        "total": len(known),
        "orders": {name: told for name, (told, _) in ORDERS.items()},
        "tags": tags,
        "offered": any(query.tag in offered for offered in tags.values()),
    }
