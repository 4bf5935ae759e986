"""`/crashes`: how often services crashed, and of what."""

from pulsebot.commands.base import MAX_ROWS, Question, find_service, small_print
from pulsebot.errors import InvalidInput
from pulsebot.message import Code, Message, Part, Table, Text
from pulsebot.phrases import ago, moment, plural
from pulsebot.store import counts
from pulsebot.store import crashes as kept
from pulsebot.store.crashes import Group
from pulsebot.store.database import Connection
from pulsebot.timespan import Timespan

STACK_LINES = 12


def crashes(connection: Connection, question: Question) -> Message:
    """Count crashes, of one service or of all, in a window (today unless you say)."""
    service, span = _understand(connection, question)
    if service is None:
        return _of_all(connection, question, span)
    return _of_one(connection, question, service, span)


def _understand(connection: Connection, question: Question) -> tuple[str | None, Timespan]:
    """Take the first word for a service, else all words for a window."""
    first, rest = question.words[:1], question.words[1:]
    try:
        service = find_service(connection, first[0]) if first else None
    except InvalidInput as no_service:
        try:
            return None, question.timespan(question.words, "today")
        except InvalidInput:
            raise no_service from None
    return service, question.timespan(rest, "today")


def _of_all(connection: Connection, question: Question, span: Timespan) -> Message:
    ranked = ranking(connection, question, span)
    total = sum(count for _, count in ranked)
    parts: list[Part] = []
    if ranked:
        rows = tuple((name, f"{count:,}") for name, count in ranked[:MAX_ROWS])
        parts.append(Table(("service", "crashes"), rows))
    if len(ranked) > MAX_ROWS:
        parts.append(Text(f"… and {len(ranked) - MAX_ROWS} more services"))
    title = f"{plural(total, 'crash', 'crashes')} {span.label} in {plural(len(ranked), 'service')}"
    return Message(title, (*parts, *small_print(question, span)))


def ranking(connection: Connection, question: Question, span: Timespan) -> list[tuple[str, int]]:
    """Return every service that crashed in a window with how often, most crashes first."""
    by_service = counts.by_service(connection, "crash", *question.buckets(span))
    return sorted(by_service.items(), key=lambda item: (-item[1], item[0]))


def grouped(
    connection: Connection,
    question: Question,
    service: str,
    span: Timespan,
    limit: int = MAX_ROWS,
) -> tuple[int, list[Group]]:
    """Return how often a service crashed in a window, and of what, most crashes first."""
    start_ms, end_ms = question.buckets(span)
    total = counts.total(connection, "crash", service, start_ms, end_ms)
    return total, kept.groups(connection, service, start_ms, end_ms, limit)


def _of_one(connection: Connection, question: Question, service: str, span: Timespan) -> Message:
    total, groups = grouped(connection, question, service, span)
    rows = tuple(
        (
            f"{group.error}: {group.message}"[:60] if group.message else group.error,
            f"{group.count:,}",
            moment(group.first_ms, question.zone),
            ago(group.last_ms, question.now_ms),
        )
        for group in groups
    )
    parts: list[Part] = []
    if rows:
        parts.append(Table(("error", "crashes", "first ever", "last"), rows))
        parts.extend(_latest_stack(connection, service, groups[0].fingerprint))
    title = f"{service}: {plural(total, 'crash', 'crashes')} {span.label}"
    return Message(title, (*parts, *small_print(question, span)))


def _latest_stack(connection: Connection, service: str, fingerprint: str) -> list[Part]:
    samples = kept.samples(connection, service, fingerprint)
    if not samples or not samples[0].stack:
        return []
    return [Code("\n".join(samples[0].stack.splitlines()[-STACK_LINES:]))]
