"""The daybook: reads from the store what a digest tells about one civil day."""

from collections.abc import Mapping
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from pulsebot.civil import local_midnight
from pulsebot.commands.status import by_service, worst
from pulsebot.commands.unstable import ranking
from pulsebot.digest import Day, ServiceDay
from pulsebot.phrases import length
from pulsebot.store import counts, statuses
from pulsebot.store.database import Connection


def day(connection: Connection, of: date, zone: ZoneInfo, now_ms: int) -> Day:
    """Return one civil day of a zone: its own counts, those of the day before, and the present."""
    start_ms, end_ms = local_midnight(of, zone), local_midnight(of + timedelta(days=1), zone)
    before_ms = local_midnight(of - timedelta(days=1), zone)

    def count(counted: str) -> tuple[Mapping[str, int], Mapping[str, int]]:
        return (
            counts.by_service(connection, counted, start_ms, end_ms),
            counts.by_service(connection, counted, before_ms, start_ms),
        )

    triggers, triggers_before = count("trigger")
    crashes, crashes_before = count("crash")
    names = triggers.keys() | triggers_before.keys() | crashes.keys() | crashes_before.keys()
    troubled, well = _present(connection, now_ms)
    return Day(
        date=of,
        zone=zone,
        services=tuple(
            ServiceDay(
                name,
                triggers.get(name, 0),
                triggers_before.get(name, 0),
                crashes.get(name, 0),
                crashes_before.get(name, 0),
            )
            for name in sorted(names)
        ),
        unstable=tuple(ranking(connection, start_ms, end_ms)),
        troubled=troubled,
        well=well,
    )


def _present(connection: Connection, now_ms: int) -> tuple[tuple[tuple[str, str, str], ...], int]:
    troubled, well = [], 0
    for name, instances in by_service(statuses.instances(connection)).items():
        state = worst(instances)
        if state in {"down", "degraded", "unknown"}:
            since_ms = max(i.since_ms for i in instances if i.state == state)
            troubled.append((name, state, length(max(0, now_ms - since_ms))))
        elif state == "up":
            well += 1
    return tuple(troubled), well
