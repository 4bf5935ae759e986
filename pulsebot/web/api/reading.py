"""Answers one question in a reader's thread, within bounds of time."""

import sqlite3
import time

import msgspec

from pulsebot.commands.base import Question
from pulsebot.errors import PulsebotError
from pulsebot.store.database import Connection
from pulsebot.web.api.base import Endpoint, Parameters

LIMIT_S = 5.0
"""Time for the store to answer; others wait for their turn meanwhile."""

STEPS = 10_000
"""Steps of SQLite between two looks at the clock: well below a millisecond."""


class TookTooLong(PulsebotError):
    """Report that a question was given up, so that others get their turn."""


def encoded(
    connection: Connection,
    endpoint: Endpoint,
    question: Question,
    asked: Parameters,
    limit_s: float = LIMIT_S,
) -> bytes:
    """Return the answer as JSON; raises TookTooLong, and what the endpoint raises."""
    ends = time.monotonic() + limit_s
    connection.set_progress_handler(lambda: time.monotonic() > ends, STEPS)
    try:
        return msgspec.json.encode(endpoint.answer(connection, question, asked))
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            raise TookTooLong(f"this took more than {limit_s:g} s; ask for less") from None
        raise
    finally:
        connection.set_progress_handler(None, 0)
