"""How often a service was triggered."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from pulsebot.commands import triggers as command
from pulsebot.commands.base import Question
from pulsebot.store.database import Connection
from pulsebot.web.api.base import (
    AsOf,
    Parameters,
    Service,
    Span,
    Time,
    Window,
    as_of,
    service_of,
    span_of,
    time_of,
    window,
)


class Asked(Parameters, frozen=True, kw_only=True):
    """Which service, and when."""

    service: Service
    window: Span = "today"


class Piece(Struct, frozen=True):
    """One local hour or day of the window; the first and the last may be parts of one."""

    since: Time
    until: Time
    count: int


class Triggers(Struct, frozen=True, kw_only=True):
    """A count, where it came from, and what to compare it with."""

    as_of: AsOf
    service: str
    window: Window
    count: int
    before: Annotated[int, Meta(description="The count of the same hours, `days_before` before.")]
    days_before: int
    by: Annotated[Literal["hour", "day"], Meta(description="What the pieces are.")]
    pieces: list[Piece]


def triggers(connection: Connection, question: Question, asked: Asked) -> Triggers:
    """Count the triggers of a service in a window.

    An event counts in the minute of its own time; a pre-aggregated one counts as many times
    as it says.
    """
    name, span = service_of(connection, asked.service), span_of(question, asked.window)
    found = command.triggered(connection, question, name, span)
    return Triggers(
        as_of=as_of(question),
        service=name,
        window=window(span),
        count=found.total,
        before=found.before,
        days_before=found.days,
        by=found.by,
        pieces=[
            Piece(time_of(w.start_ms, question.zone), time_of(w.end_ms, question.zone), count)
            for w, count in found.pieces
        ],
    )
