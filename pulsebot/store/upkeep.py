"""Upkeep: roll minutes up into quarter hours, and delete what is older than its retention.

Each call does a bounded piece of work, so that a long-neglected file never holds the writer
up; call again while it answers that there is more.
"""

from collections.abc import Mapping

from pulsebot.settings import Retention
from pulsebot.store import counts, history
from pulsebot.store.database import Connection
from pulsebot.views.tally import COUNTED
from pulsebot.window import DAY_MS, QUARTER_MS

PIECE = 5_000
"""Rows moved or deleted in one transaction: some tens of milliseconds of the writer's time."""

_BY_AGE = {
    "crash_group": ("last_ms", "crashes"),
    "crash": ("at_ms", "crashes"),
    "crash_count": ("start_ms", "crashes"),
    "app_message": ("at_ms", "messages"),
    "status_change": ("at_ms", "statuses"),
    "instance": ("seen_ms", "statuses"),
    "decision": ("at_ms", "decisions"),
    "dead_letter": ("at_ms", "dead_letters"),
    "alert_spell": ("until_ms", "alerts"),
    "gap": ("at_ms", "decisions"),
    "mark_id": ("seen_ms", "marks"),
    "mark_range": ("seen_ms", "marks"),
}
"""Table: its time column, and the setting that says how many days it is kept."""

_ONLY = {
    "alert": ("resolved_ms", "alerts", "state = 'resolved'"),
    "outbox": ("created_ms", "outbox", "NOT open"),
}
"""As above, for tables of which only finished rows may go."""

_KEYS = {
    "mark_range": "producer",
    "mark_id": "hash",
    "crash_group": "service, fingerprint",
    "crash_count": "service, fingerprint, start_ms",
    "status_change": "service, instance, at_ms",
    "instance": "service, instance",
    "alert": "id",
    "alert_spell": "alert, state",
}
"""Primary keys of the tables that have no rowid."""


def piece(connection: Connection, retention: Retention, now_ms: int) -> bool:
    """Do one piece of the work; return whether there is more."""
    more = _roll_up(connection, _before(now_ms, retention.minute_counts))
    days: Mapping[str, float] = retention.model_dump()
    for table, (column, setting) in _BY_AGE.items():
        more |= _delete(connection, table, f"{column} < ?", _before(now_ms, days[setting]))
    for table, (column, setting, done) in _ONLY.items():
        where = f"{column} < ? AND {done}"
        more |= _delete(connection, table, where, _before(now_ms, days[setting]))
    for counted in COUNTED:
        counts.forget(connection, counted, _before(now_ms, retention.counts))
    return more


def _roll_up(connection: Connection, before_ms: int) -> bool:
    moved = [counts.roll_up(connection, counted, before_ms, PIECE) for counted in COUNTED]
    return max(moved) == PIECE


def _delete(connection: Connection, table: str, where: str, before_ms: int) -> bool:
    key = _KEYS.get(table, "rowid")
    deleted = connection.execute(
        f"DELETE FROM {table} WHERE ({key}) IN"
        f" (SELECT {key} FROM {table} WHERE {where} LIMIT {PIECE})",
        (before_ms,),
    )
    if deleted.rowcount:
        history.forget(connection, table, before_ms)
    return deleted.rowcount == PIECE


def _before(now_ms: int, days: float) -> int:
    at_ms = now_ms - int(days * DAY_MS)
    return at_ms - at_ms % QUARTER_MS
