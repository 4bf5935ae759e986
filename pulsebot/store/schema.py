"""The tables, and how an older file becomes a newer one.

Times are whole milliseconds since the epoch, in columns named `…_ms`. Every table is STRICT,
so that a wrong type fails at the writer and not at some later reader. A migration is never
edited after it was released: a change of the schema is one more function below.
"""

import sqlite3

from sqlite_utils import Database, Migrations

migrations = Migrations("pulsebot")

_TABLES = """
CREATE TABLE position (
    topic TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)
) STRICT, WITHOUT ROWID;

CREATE TABLE gap (
    id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, topic TEXT NOT NULL,
    partition INTEGER NOT NULL, asked INTEGER NOT NULL, earliest INTEGER NOT NULL
) STRICT;

CREATE TABLE mark_range (
    producer TEXT PRIMARY KEY, ranges BLOB NOT NULL, seen_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE mark_id (
    hash BLOB PRIMARY KEY, seen_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX mark_id_seen ON mark_id (seen_ms);

CREATE TABLE count_1m (
    kind TEXT NOT NULL, service TEXT NOT NULL, start_ms INTEGER NOT NULL,
    count INTEGER NOT NULL, PRIMARY KEY (kind, service, start_ms)
) STRICT, WITHOUT ROWID;
CREATE INDEX count_1m_start ON count_1m (kind, start_ms);

CREATE TABLE count_15m (
    kind TEXT NOT NULL, service TEXT NOT NULL, start_ms INTEGER NOT NULL,
    count INTEGER NOT NULL, PRIMARY KEY (kind, service, start_ms)
) STRICT, WITHOUT ROWID;
CREATE INDEX count_15m_start ON count_15m (kind, start_ms);

CREATE TABLE service (
    service TEXT PRIMARY KEY, first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL,
    clamped INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE instance (
    service TEXT NOT NULL, instance TEXT NOT NULL, state TEXT NOT NULL, reason TEXT,
    since_ms INTEGER NOT NULL, seen_ms INTEGER NOT NULL,
    cpu REAL, rss INTEGER, uptime_s REAL, PRIMARY KEY (service, instance)
) STRICT, WITHOUT ROWID;

CREATE TABLE status_change (
    service TEXT NOT NULL, instance TEXT NOT NULL, at_ms INTEGER NOT NULL,
    state TEXT NOT NULL, previous TEXT, reason TEXT, PRIMARY KEY (service, instance, at_ms)
) STRICT, WITHOUT ROWID;
CREATE INDEX status_change_at ON status_change (at_ms);

CREATE TABLE crash_group (
    service TEXT NOT NULL, fingerprint TEXT NOT NULL, error TEXT NOT NULL, message TEXT,
    first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL,
    PRIMARY KEY (service, fingerprint)
) STRICT, WITHOUT ROWID;

CREATE TABLE crash_count (
    service TEXT NOT NULL, fingerprint TEXT NOT NULL, start_ms INTEGER NOT NULL,
    count INTEGER NOT NULL, PRIMARY KEY (service, fingerprint, start_ms)
) STRICT, WITHOUT ROWID;
CREATE INDEX crash_count_start ON crash_count (start_ms);

CREATE TABLE crash (
    id INTEGER PRIMARY KEY, service TEXT NOT NULL, fingerprint TEXT NOT NULL,
    at_ms INTEGER NOT NULL, instance TEXT, error TEXT NOT NULL, message TEXT, stack TEXT,
    exit_code INTEGER, signal TEXT
) STRICT;
CREATE INDEX crash_group_at ON crash (service, fingerprint, at_ms);

CREATE TABLE app_message (
    id INTEGER PRIMARY KEY, service TEXT NOT NULL, instance TEXT, at_ms INTEGER NOT NULL,
    level TEXT NOT NULL, title TEXT, text TEXT NOT NULL, link TEXT
) STRICT;
CREATE INDEX app_message_at ON app_message (service, at_ms);

CREATE TABLE condition_state (
    rule TEXT NOT NULL, key TEXT NOT NULL, state BLOB, due_ms INTEGER, alert BLOB,
    PRIMARY KEY (rule, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE alert (
    id TEXT PRIMARY KEY, rule TEXT NOT NULL, key TEXT NOT NULL, service TEXT NOT NULL,
    severity TEXT NOT NULL, state TEXT NOT NULL, started_ms INTEGER NOT NULL,
    fired_ms INTEGER, resolved_ms INTEGER, count INTEGER NOT NULL, reason TEXT NOT NULL,
    receivers TEXT NOT NULL DEFAULT '[]'
) STRICT, WITHOUT ROWID;
CREATE INDEX alert_started ON alert (started_ms);

CREATE TABLE decision (
    id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, outcome TEXT NOT NULL,
    reason TEXT NOT NULL, service TEXT, rule TEXT, key TEXT, alert_id TEXT,
    event_id TEXT, receivers TEXT NOT NULL DEFAULT '[]'
) STRICT;
CREATE INDEX decision_at ON decision (at_ms);

CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, receiver TEXT NOT NULL,
    priority INTEGER NOT NULL, origin TEXT NOT NULL, alert_id TEXT,
    created_ms INTEGER NOT NULL, due_ms INTEGER NOT NULL, state TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, uncertain INTEGER NOT NULL DEFAULT 0,
    formatted INTEGER NOT NULL DEFAULT 1, message BLOB NOT NULL, error TEXT,
    sent_ms INTEGER, ref_target TEXT, ref_id TEXT,
    open INTEGER NOT NULL AS (state IN ('pending', 'sending', 'uncertain'))
) STRICT;
CREATE INDEX outbox_open ON outbox (receiver, priority, seq) WHERE open;
CREATE INDEX outbox_created ON outbox (created_ms);

CREATE TABLE dead_letter (
    id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, topic TEXT NOT NULL,
    partition INTEGER NOT NULL, offset INTEGER NOT NULL, reason TEXT NOT NULL,
    size INTEGER NOT NULL, value BLOB, headers TEXT NOT NULL DEFAULT '[]', retried_ms INTEGER,
    UNIQUE (topic, partition, offset)
) STRICT;

CREATE TABLE digest_claim (
    digest TEXT NOT NULL, local_date TEXT NOT NULL, claimed_ms INTEGER NOT NULL,
    PRIMARY KEY (digest, local_date)
) STRICT, WITHOUT ROWID;
"""


@migrations()
def first_release(db: Database) -> None:
    """Create every table of the first release."""
    _run(db.conn, _TABLES)


_SQL_VIEWS = """
CREATE TABLE sql_view (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, kind TEXT NOT NULL,
    statement TEXT NOT NULL, origin TEXT NOT NULL, zone TEXT NOT NULL, state TEXT NOT NULL,
    max_keys INTEGER NOT NULL, retention_ms INTEGER NOT NULL, created_ms INTEGER NOT NULL,
    from_ms INTEGER, inherits INTEGER NOT NULL, since_ms INTEGER,
    late INTEGER NOT NULL DEFAULT 0, refused INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0, content BLOB
) STRICT;
CREATE UNIQUE INDEX sql_view_name ON sql_view (name, state);

CREATE TABLE sql_view_position (
    view INTEGER NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL,
    first_offset INTEGER NOT NULL, next_offset INTEGER NOT NULL,
    PRIMARY KEY (view, topic, partition)
) STRICT, WITHOUT ROWID;

CREATE TABLE sql_view_removed (
    view INTEGER NOT NULL, key TEXT NOT NULL, start_ms INTEGER NOT NULL,
    revision INTEGER NOT NULL, PRIMARY KEY (view, key, start_ms)
) STRICT, WITHOUT ROWID;
CREATE INDEX sql_view_removed_revision ON sql_view_removed (view, revision);

CREATE TABLE sql_feed_position (
    topic TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)
) STRICT, WITHOUT ROWID;

CREATE TABLE sql_revision (revision INTEGER NOT NULL, catalog INTEGER NOT NULL) STRICT;
INSERT INTO sql_revision VALUES (0, 0);
"""


@migrations()
def views_in_sql(db: Database) -> None:
    """Make room for views that people write in SQL; their rows are in tables of their own."""
    _run(db.conn, _SQL_VIEWS)


_BOARD = """
CREATE TABLE service_tag (
    service TEXT PRIMARY KEY, tags TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX alert_firing ON alert (service) WHERE state = 'firing';
CREATE INDEX alert_service ON alert (service, started_ms);
CREATE INDEX decision_service ON decision (service, id);
"""


@migrations()
def tags_and_what_a_service_is_asked_for(db: Database) -> None:
    """Keep the tags of services; find alerts and decisions by service."""
    _run(db.conn, _BOARD)


_EPOCHS = """
CREATE TABLE epoch (
    id INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT NULL UNIQUE, revision INTEGER NOT NULL
) STRICT;
"""


@migrations()
def epochs_of_the_views_past(db: Database) -> None:
    """Let whoever copied views see whether the file was set back since."""
    _run(db.conn, _EPOCHS)


_ALERTS_ASKED_FOR = """
CREATE INDEX decision_alert ON decision (alert_id, id) WHERE alert_id IS NOT NULL;
"""


@migrations()
def decisions_by_alert(db: Database) -> None:
    """Find what was decided about an alert."""
    _run(db.conn, _ALERTS_ASKED_FOR)


_SPELLS = """
CREATE TABLE alert_spell (
    alert TEXT NOT NULL, state TEXT NOT NULL, since_ms INTEGER NOT NULL, until_ms INTEGER,
    rule TEXT NOT NULL, key TEXT NOT NULL, service TEXT NOT NULL, severity TEXT NOT NULL,
    reason TEXT NOT NULL, became TEXT, ending TEXT, PRIMARY KEY (alert, state)
) STRICT, WITHOUT ROWID;
CREATE INDEX alert_spell_until ON alert_spell (until_ms, since_ms);
INSERT INTO alert_spell
    SELECT id, 'pending', started_ms, fired_ms, rule, key, service, severity,
        CASE state WHEN 'pending' THEN reason ELSE '' END, iif(fired_ms IS NULL, NULL, 'firing'),
        NULL
    FROM alert WHERE fired_ms IS NULL OR fired_ms > started_ms;
INSERT INTO alert_spell
    SELECT id, 'firing', fired_ms, resolved_ms, rule, key, service, severity,
        CASE state WHEN 'firing' THEN reason ELSE '' END,
        iif(resolved_ms IS NULL, NULL, 'resolved'), iif(resolved_ms IS NULL, NULL, reason)
    FROM alert WHERE fired_ms IS NOT NULL;

CREATE TABLE forgotten (
    what TEXT PRIMARY KEY, before_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""


@migrations()
def what_alerts_were(db: Database) -> None:
    """Keep when an alert was pending and firing, and why; and up to when history is gone."""
    _run(db.conn, _SPELLS)


_ENDED_ALERTS = """
CREATE INDEX alert_resolved ON alert (resolved_ms) WHERE resolved_ms IS NOT NULL;
"""


@migrations()
def alerts_by_their_end(db: Database) -> None:
    """Find the alerts that have been over for long enough to be deleted."""
    _run(db.conn, _ENDED_ALERTS)


def _run(connection: sqlite3.Connection, script: str) -> None:
    # Connection.executescript would commit the transaction that the migration runs in.
    for statement in script.split(";\n"):
        if statement.strip():
            connection.execute(statement)
