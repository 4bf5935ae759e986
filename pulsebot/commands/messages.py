"""`/messages`: what apps had to say."""

from pulsebot.commands.base import MAX_ROWS, Question, forgotten, small_print, split_service
from pulsebot.message import Message, Table, Text
from pulsebot.phrases import moment, plural
from pulsebot.store import history
from pulsebot.store import messages as store
from pulsebot.store.database import Connection
from pulsebot.store.messages import Said

MAX_WORDS = 200
"""Characters of one message; the HTTP API tells them whole."""


def messages(connection: Connection, question: Question) -> Message:
    """Show what apps said, newest first: of one service or of all (today unless you say)."""
    service, rest = split_service(connection, question, question.words)
    span = question.timespan(rest, "today")
    found = store.between(connection, span.start_ms, span.end_ms, service, MAX_ROWS + 1)
    kept_ms = history.kept_since(connection, "app_message")
    print_ = (
        *forgotten("messages", kept_ms, span.start_ms, question.zone),
        *small_print(question, span),
    )
    of = f" from {service}" if service else ""
    if not found:
        return Message(f"no message{of} {span.label}", print_)
    rows = tuple(_row(said, question) for said in found[:MAX_ROWS])
    more = [Text("… and older ones; a shorter window shows them")] * (len(found) > MAX_ROWS)
    count = f"the {MAX_ROWS} newest messages" if more else plural(len(rows), "message")
    table = Table(("at", "service", "level", "text"), rows)
    return Message(f"{count}{of} {span.label}", (table, *more, *print_))


def _row(said: Said, question: Question) -> tuple[str, ...]:
    words = " ".join((f"{said.title}: {said.text}" if said.title else said.text).split())
    short = words if len(words) <= MAX_WORDS else f"{words[: MAX_WORDS - 1]}…"
    return moment(said.at_ms, question.zone), said.service, said.level, short
