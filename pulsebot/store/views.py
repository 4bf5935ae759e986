"""The built-in views as a whole: cleared from a moment on, to be made again from the log."""

from pulsebot.store.database import Connection


def clear(connection: Connection, start_ms: int) -> None:
    """Take everything at or after a moment of event time out of the views.

    The moment must be a whole quarter of an hour. Groups of crashes and instances that began
    before it go back to what was known of them then.
    """
    for table, column in (
        ("count_1m", "start_ms"),
        ("count_15m", "start_ms"),
        ("crash_count", "start_ms"),
        ("crash", "at_ms"),
        ("app_message", "at_ms"),
        ("status_change", "at_ms"),
        ("crash_group", "first_ms"),
    ):
        connection.execute(f"DELETE FROM {table} WHERE {column} >= ?", (start_ms,))
    connection.execute(
        "UPDATE crash_group SET last_ms = max(first_ms, coalesce((SELECT max(start_ms) FROM"
        " crash_count c WHERE c.service = crash_group.service"
        " AND c.fingerprint = crash_group.fingerprint), first_ms)) WHERE last_ms >= ?",
        (start_ms,),
    )
    _rewind_instances(connection, start_ms)


def _rewind_instances(connection: Connection, start_ms: int) -> None:
    connection.execute("DELETE FROM instance WHERE seen_ms >= ?", (start_ms,))
    connection.execute(
        "INSERT OR IGNORE INTO instance (service, instance, state, reason, since_ms, seen_ms)"
        " SELECT service, instance, state, reason, max(at_ms), at_ms FROM status_change"
        " WHERE (service, instance) NOT IN (SELECT service, instance FROM instance)"
        " GROUP BY service, instance"
    )
