"""`/unstable`: which services crash, restart or flap most."""

from pulsebot.commands.base import MAX_ROWS, Question, small_print
from pulsebot.message import Message, Part, Table
from pulsebot.phrases import plural
from pulsebot.store import counts
from pulsebot.store.database import Connection


def unstable(connection: Connection, question: Question) -> Message:
    """Rank the services that crashed, restarted or changed status (this week unless you say).

    A restart is an instance that starts again after it was seen before; every change of an
    instance's status counts as a change.
    """
    span = question.timespan(question.words, "this week")
    rows = ranking(connection, *question.buckets(span))
    parts: tuple[Part, ...] = ()
    if rows:
        cells = tuple(
            (name, f"{crashed:,}", f"{restarted:,}", f"{changed:,}")
            for name, crashed, restarted, changed in rows[:MAX_ROWS]
        )
        parts = (Table(("service", "crashes", "restarts", "status changes"), cells),)
    title = f"{plural(len(rows), 'unstable service')} {span.label}"
    return Message(title, (*parts, *small_print(question, span)))


def ranking(connection: Connection, start_ms: int, end_ms: int) -> list[tuple[str, int, int, int]]:
    """Return (service, crashes, restarts, changes), the worst first.

    A service is in it if it crashed or restarted, or changed status more than once.
    """
    crashed, restarted, changed = (
        counts.by_service(connection, counted, start_ms, end_ms)
        for counted in ("crash", "restart", "change")
    )
    rows = [
        (name, crashed.get(name, 0), restarted.get(name, 0), changed.get(name, 0))
        for name in sorted(crashed.keys() | restarted.keys() | changed.keys())
    ]
    rows = [row for row in rows if row[1] or row[2] or row[3] > 1]
    return sorted(rows, key=lambda row: (-row[1], -row[2], -row[3], row[0]))
