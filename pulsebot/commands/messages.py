"""`/messages`: what apps had to say."""

from pulsebot.commands.base import MAX_ROWS, Question, small_print, split_service
from pulsebot.message import Message, Table, Text
from pulsebot.phrases import moment, plural
from pulsebot.store import messages as store
from pulsebot.store.database import Connection


def messages(connection: Connection, question: Question) -> Message:
    """Show what apps said, newest first: of one service or of all."""
    service, rest = split_service(connection, question, question.words)
    span = question.timespan(rest, "today")
    found = store.between(connection, span.start_ms, span.end_ms, service, MAX_ROWS + 1)
    rows = tuple(
        (moment(said.at_ms, question.zone), said.service, said.level,
         f"{said.title}: {said.text}"[:200] if said.title else said.text[:200])
        for said in found[:MAX_ROWS]
    )  # fmt: skip
    of = f" from {service}" if service else ""
    print_ = small_print(question, span)
    if not rows:
        return Message(f"no message{of} {span.label}", print_)
    more = [Text("… and older ones")] if len(found) > MAX_ROWS else []
    count = f"{MAX_ROWS} newest messages" if more else plural(len(rows), "message")
    table = Table(("at", "service", "level", "text"), rows)
    return Message(f"{count}{of} {span.label}", (table, *more, *print_))
