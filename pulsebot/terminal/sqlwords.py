"""What the shell of `pulsebot sql` knows to complete, and when a statement is complete."""

import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from sqlglot import TokenType
from sqlglot.errors import TokenError

from pulsebot.errors import PulsebotError
from pulsebot.materialize.describing import known_to
from pulsebot.store.database import connect
from pulsebot.views.aggregates.table import AGGREGATES
from pulsebot.views.dialect import Pulse
from pulsebot.views.functions.table import FUNCTIONS
from pulsebot.views.source import BUILT_IN

_KEYWORDS = """
    ADVANCE AND AS ASC BETWEEN BY CASE CAST CHANGES CREATE DAY DAYS DESC DESCRIBE DISTINCT DROP
    ELSE EMIT END EXISTS EXPLAIN FINAL FROM FUNCTIONS GRACE GROUP HAVING HOPPING HOUR HOURS IF IN
    IS LIKE LIMIT MINUTE MINUTES MONTH NOT NULL OR ORDER PERIOD REPLACE REPLAY RETENTION SELECT
    SESSION SHOW SIZE STREAM STREAMS TABLE TABLES THEN TIMESTAMP TIMEZONE TUMBLING WEEK WHEN WHERE
    WINDOW WITH
"""
KEYWORDS = tuple(_KEYWORDS.split())
BOUNDS = ("WINDOWSTART", "WINDOWEND")

_BEFORE_NAME = re.compile(
    r"\b(FROM|DESCRIBE|DESC|TABLE|STREAM|EXISTS|EXPLAIN)\s+\S*$", re.IGNORECASE
)
_READS = re.compile(r"\bFROM\s+[`\"]?(\w+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Names of streams and views with their columns."""

    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def candidates(self, before: str, whole: str) -> Iterator[str]:
        """Yield what may stand after `before` in a statement: what fits best comes first."""
        if _BEFORE_NAME.search(before):
            yield from self.columns
            return
        read = [
            found for name in _READS.findall(whole) if (found := self.columns.get(name.upper()))
        ]
        yield from dict.fromkeys(c for columns in read or self.columns.values() for c in columns)
        yield from KEYWORDS
        yield from sorted({*AGGREGATES, *FUNCTIONS})


def vocabulary(database: Path) -> Vocabulary:
    """Return the names that mean something now; the built-in ones where there is no database."""
    columns = {name: tuple(source.columns) for name, source in BUILT_IN.items()}
    if not database.exists():
        return Vocabulary(columns)
    try:
        with closing(connect(database, read_only=True)) as connection:
            known = known_to(connection)
    except (sqlite3.Error, PulsebotError):  # of another version, or not ours: asking will tell
        return Vocabulary(columns)
    columns |= {name: tuple(source.columns) for name, source in known.sources.items()}
    for view, plan in known.plans.items():
        bounds = BOUNDS if plan.window else ()
        columns[known.entries[view].name] = (*(o.name for o in plan.outputs), *bounds)
    return Vocabulary(columns)


def is_complete(text: str) -> bool:
    """Tell whether a text ends with a `;` that is no part of a text or a comment."""
    try:
        tokens = Pulse().tokenize(text)
    except TokenError:
        return False
    return bool(tokens) and tokens[-1].token_type is TokenType.SEMICOLON
