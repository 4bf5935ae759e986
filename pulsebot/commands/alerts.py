"""`/alerts`: what is firing, what fired in a window, or what was firing at a moment."""

from pulsebot.commands.base import MAX_ROWS, Question, small_print, split_instant, split_service
from pulsebot.message import Message, Table, Text
from pulsebot.phrases import moment, plural
from pulsebot.store import history
from pulsebot.store.database import Connection
from pulsebot.store.history import Episode
from pulsebot.timespan import Timespan


def alerts(connection: Connection, question: Question) -> Message:
    """Show what is firing, or was, since when, why, and who was told."""
    words, at_ms = split_instant(question)
    service, rest = split_service(connection, question, words)
    if at_ms is not None:
        found = history.firing_at(connection, at_ms, service)
        when = f"was firing at {moment(at_ms, question.zone)} ({question.zone.key})"
        return _said(connection, question, found, service, when)
    if rest:
        span = question.timespan(rest, "today")
        found = history.fired_between(connection, span.start_ms, span.end_ms, service)
        return _said(connection, question, found, service, f"fired {span.label}", span)
    found = history.firing_at(connection, question.now_ms, service)
    return _said(connection, question, found, service, "is firing")


def _said(
    connection: Connection,
    question: Question,
    found: list[Episode],
    service: str | None,
    when: str,
    span: Timespan | None = None,
) -> Message:
    of = f" of {service}" if service else ""
    print_ = small_print(question, span)
    if not found:
        return Message(f"nothing{of} {when}", print_)
    rows = tuple(_row(connection, question, episode) for episode in found[:MAX_ROWS])
    table = Table(("service", "rule", "severity", "fired", "ended", "told", "because"), rows)
    more = [Text(f"… and {len(found) - MAX_ROWS} older ones")] if len(found) > MAX_ROWS else []
    verb = when if len(found) == 1 else when.replace("is ", "are ").replace("was ", "were ")
    return Message(f"{plural(len(found), 'alert')}{of} {verb}", (table, *more, *print_))


def _row(connection: Connection, question: Question, episode: Episode) -> tuple[str, ...]:
    ended = episode.resolved_ms
    return (
        episode.service or "–",
        episode.rule,
        episode.severity,
        moment(episode.fired_ms, question.zone),
        moment(ended, question.zone) if ended is not None else "–",
        ", ".join(episode.receivers) or _why_nobody(connection, episode),
        episode.reason[:60],
    )


def _why_nobody(connection: Connection, episode: Episode) -> str:
    decided = history.reasons(connection, episode.id)
    return f"nobody: {decided[-1][1][:60]}" if decided else "nobody"
