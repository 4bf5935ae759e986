"""The roster: one line for each service with all that the first page shows of it.

Kept in memory and brought up to date once a second while somebody looks. It must not know
how a line is drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from pulsebot.commands.status import STALE_MS
from pulsebot.store import alerts, messages, services, statuses, tags
from pulsebot.store.database import Connection
from pulsebot.store.messages import Kept
from pulsebot.store.statuses import Share
from pulsebot.views.tally import Bucket
from pulsebot.web.board.recent import Recent
from pulsebot.web.board.spans import Spans, spans

WORST_FIRST = ("down", "degraded", "unknown", "starting", "stopped", "up")
SEVEREST_FIRST = ("critical", "error", "warning", "info")
SILENT = "silent"
"""Stands for the state of a service that never told any."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What was counted; `hourly`: triggers of the last 24 hours of the clock, oldest first."""

    triggers: int
    hourly: tuple[int, ...]
    crashes_today: int
    crashes_week: int


@dataclass(frozen=True, slots=True)
class Line:
    """One service: its worst state and how many instances are up; counts; what is open.

    `stale_ms` is when a status came last, if that is so long ago that it may no longer hold.
    """

    service: str
    state: str
    up: int
    instances: int
    stale_ms: int | None
    counts: Counts
    message: Kept | None
    alerts: tuple[str, ...]
    tags: tuple[tuple[str, str], ...]


class Roster:
    """All lines by service; `refresh` is called by one thread at a time."""

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone
        self.lines: dict[str, Line] = {}
        self.spans: Spans = spans(0, zone)
        self._triggers = Recent("trigger")
        self._crashes = Recent("crash")
        self._counts: dict[str, Counts] = {}
        self._messages: dict[str, Kept | None] = {}

    def refresh(self, connection: Connection, now_ms: int, touched: set[Bucket] | None) -> None:
        """Read what may have changed; None: everything."""
        now = spans(now_ms, self.zone)
        turned = now != self.spans  # an hour, a day or a week has begun
        self.spans = now
        if touched is None:
            self._load(connection)
        else:
            self._read_again(connection, touched)
        if turned:
            self._triggers.forget(now.first_ms)
            self._crashes.forget(now.week_ms)
            self._counts.clear()
        self.lines = self._lines(connection, now_ms)

    def _load(self, connection: Connection) -> None:
        self._triggers.load(connection, self.spans.first_ms)
        self._crashes.load(connection, self.spans.week_ms)
        self._counts.clear()
        self._messages.clear()

    def _read_again(self, connection: Connection, touched: set[Bucket]) -> None:
        self._triggers.refresh(connection, touched)
        self._crashes.refresh(connection, touched)
        for kind, service, _ in touched:
            self._counts.pop(service, None)
            if kind == "message":
                self._messages.pop(service, None)

    def _lines(self, connection: Connection, now_ms: int) -> dict[str, Line]:
        shares: dict[str, list[Share]] = {}
        for share in statuses.shares(connection):
            shares.setdefault(share.service, []).append(share)
        firing = alerts.firing(connection)
        labels = tags.by_service(connection)
        lines = {}
        for name, _ in services.heard(connection):
            mine = shares.get(name, [])
            known = {share.state for share in mine}
            lines[name] = Line(
                service=name,
                state=next((state for state in WORST_FIRST if state in known), SILENT),
                up=sum(share.instances for share in mine if share.state == "up"),
                instances=sum(share.instances for share in mine),
                stale_ms=_stale(mine, now_ms),
                counts=self._counts_of(name),
                message=self._message_of(connection, name),
                alerts=tuple(sorted(firing.get(name, ()), key=_severity)),
                tags=tuple(labels.get(name, {}).items()),
            )
        return lines

    def _counts_of(self, name: str) -> Counts:
        if name not in self._counts:
            self._counts[name] = Counts(
                self._triggers.since(name, self.spans.today_ms),
                self._triggers.pieces(name, self.spans.hours_ms),
                self._crashes.since(name, self.spans.today_ms),
                self._crashes.since(name, self.spans.week_ms),
            )
        return self._counts[name]

    def _message_of(self, connection: Connection, name: str) -> Kept | None:
        if name not in self._messages:
            self._messages[name] = next(iter(messages.newest(connection, name, 1)), None)
        return self._messages[name]


def _stale(shares: Sequence[Share], now_ms: int) -> int | None:
    seen_ms = max((share.seen_ms for share in shares), default=now_ms)
    return seen_ms if now_ms - seen_ms > STALE_MS else None


def _severity(name: str) -> int:
    return SEVEREST_FIRST.index(name) if name in SEVEREST_FIRST else len(SEVEREST_FIRST)
