"""Which services crash, restart or flap most."""

from typing import Annotated

from msgspec import Meta, Struct

from pulsebot.commands.base import Question
from pulsebot.commands.unstable import ranking
from pulsebot.store.database import Connection
from pulsebot.web.api.base import AsOf, Parameters, Span, Window, as_of, span_of, window


class Asked(Parameters, frozen=True, kw_only=True):
    """When, and how many services to tell of."""

    window: Span = "this week"
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 1_000


class UnstableService(Struct, frozen=True, kw_only=True):
    """One service: its crashes, restarts, and changes of any instance's status."""

    service: str
    crashes: int
    restarts: int
    changes: int


class Unstable(Struct, frozen=True, kw_only=True):
    """The services that crashed, restarted or changed status more than once, worst first."""

    as_of: AsOf
    window: Window
    total: int
    services: list[UnstableService]


def unstable(connection: Connection, question: Question, asked: Asked) -> Unstable:
    """Rank the services that crashed, restarted or changed status in a window."""
    span = span_of(question, asked.window)
    rows = ranking(connection, *question.buckets(span))
    return Unstable(
        as_of=as_of(question),
        window=window(span),
        total=len(rows),
        services=[
            UnstableService(service=name, crashes=crashed, restarts=restarted, changes=changed)
            for name, crashed, restarted, changed in rows[: asked.limit]
        ],
    )
