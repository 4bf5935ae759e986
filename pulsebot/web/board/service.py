"""The page of one service: a section for each thing that is known of it."""

from dataclasses import dataclass

from markupsafe import Markup

from pulsebot.store import alerts, crashes, messages, services, statuses, verdicts
from pulsebot.store.crashes import Group, Sample
from pulsebot.store.database import Connection
from pulsebot.store.statuses import Instance
from pulsebot.web.board import health, history, rendering
from pulsebot.web.board.base import Picture, Scene
from pulsebot.web.board.roster import WORST_FIRST, Line
from pulsebot.web.board.spans import Spans
from pulsebot.window import DAY_MS, MINUTE_MS

REDRAW_MS = 10_000
"""Between two looks at a service of which the roster tells nothing new."""

CRASH_DAYS = 30
INSTANCES = 50
"""The worst are shown; the sum of all is above them."""

GROUPS = 20
MESSAGES = 30
ALERTS = 20

SECTIONS = ("facts", "states", "triggers", "crashes", "messages", "alerts")
"""Ids of the cells, and names of their templates."""


@dataclass(frozen=True, slots=True)
class Crashed:
    """A group of crashes with its kept samples."""

    group: Group
    samples: list[Sample]


class Service:
    """Draws one service, when its line in the roster differs or a while has passed."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._seen: tuple[Line | None, Spans] | None = None
        self._drawn_ms = 0
        self._cells: dict[str, Markup] = {}

    def draw(self, connection: Connection, scene: Scene) -> Picture:
        """Return the sections of the page."""
        seen = scene.roster.lines.get(self.name), scene.roster.spans
        old = not 0 <= scene.now_ms - self._drawn_ms < REDRAW_MS
        if seen[0] is not None and (seen != self._seen or old):
            self._seen, self._drawn_ms = seen, scene.now_ms
            self._cells = self._sections(connection, seen[0], scene)
        return Picture({**health.cells(scene), **self._cells})

    def _sections(self, connection: Connection, line: Line, scene: Scene) -> dict[str, Markup]:
        now_ms, spans = scene.now_ms, scene.roster.spans
        instances = self._instances(connection)
        values = {
            "line": line,
            "spans": spans,
            "zone": spans.zone,
            "known": services.find(connection, self.name),
            "instances": instances,
            "past": history.timeline(connection, instances, spans, now_ms),
            "charts": history.charts(connection, self.name, spans, now_ms),
            "crash_days": CRASH_DAYS,
            "crashed": self._crashed(connection, now_ms),
            "messages": messages.newest(connection, self.name, MESSAGES),
            "alerts": alerts.of_service(connection, self.name, ALERTS),
            "verdicts": verdicts.of_service(connection, self.name),
        }
        return {
            section: Markup(rendering.render(f"service/{section}.html", values))  # noqa: S704 - our own template, which escapes
            for section in SECTIONS
        }

    def _instances(self, connection: Connection) -> list[Instance]:
        found = statuses.instances(connection, self.name)
        return sorted(found, key=lambda i: (WORST_FIRST.index(i.state), i.instance))[:INSTANCES]

    def _crashed(self, connection: Connection, now_ms: int) -> list[Crashed]:
        end_ms = now_ms - now_ms % MINUTE_MS + 60 * MINUTE_MS
        groups = crashes.groups(connection, self.name, end_ms - CRASH_DAYS * DAY_MS, end_ms, GROUPS)
        return [
            Crashed(group, crashes.samples(connection, self.name, group.fingerprint))
            for group in groups
        ]
