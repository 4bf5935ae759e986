"""Creations: what a CREATE asks for beside its SELECT, checked."""

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from pulsebot.civil import instant
from pulsebot.views.dialect import Pulse
from pulsebot.views.external import external_source
from pulsebot.views.lookup import is_lookup, lookup_source
from pulsebot.views.place import InvalidSql, nearest
from pulsebot.views.source import Source
from pulsebot.views.statement import Create, Name
from pulsebot.views.streamplan import stream_source
from pulsebot.window import MINUTE_MS

MAX_KEYS = 10_000
"""Keys of a view that does not say `WITH (MAX_KEYS = …)`."""

MOST_KEYS = 1_000_000

_OPTIONS = ("MAX_KEYS",)


def source_of(create: Create, sources: Mapping[str, Source]) -> Source:
    """Return the source that a CREATE STREAM means, or an empty one of a lookup table."""
    if is_lookup(create):
        return lookup_source(create, ())
    if create.query is None:
        return external_source(create)
    return stream_source(create.name.text, create.query, sources)


def keys_of(create: Create) -> int:
    """Return how many keys a view may have; checks all its options."""
    for option in create.options if create.query else ():
        if option not in _OPTIONS:
            raise InvalidSql(
                f"there is no option {option}{nearest(option, _OPTIONS)}", create.name.place
            )
    most = create.options.get("MAX_KEYS", MAX_KEYS)
    if not isinstance(most, int) or not 1 <= most <= MOST_KEYS:
        raise InvalidSql(f"MAX_KEYS must be 1 to {MOST_KEYS}", create.name.place)
    return most


def since_of(create: Create, zone: ZoneInfo) -> int | None:
    """Return what FROM TIMESTAMP says, if it is there."""
    return None if create.since is None else instant_of(create.since, create.name, zone)


def instant_of(text: str, name: Name, zone: ZoneInfo) -> int:
    """Return a time as a whole minute (ms): rows may be grouped by minutes."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidSql(
            f"FROM TIMESTAMP {text!r}: write '2026-11-20' or '2026-11-20T14:00:00Z'", name.place
        ) from None
    ms = round(moment.timestamp() * 1000) if moment.tzinfo else instant(moment, zone)
    return ms - ms % MINUTE_MS


def meaning(statement: str) -> tuple[tuple[str, str], ...]:
    """Return what tells two CREATE statements apart: not their blanks, comments or OR REPLACE."""
    tokens = [
        (
            token.token_type.name,
            token.text if token.token_type.name in _VERBATIM else token.text.upper(),
        )
        for token in Pulse().tokenize(statement)
        if token.text != ";"
    ]
    replaces = [text for _, text in tokens[1:3]] == ["OR", "REPLACE"]
    return tuple(tokens[:1] + tokens[3:] if replaces else tokens)


_VERBATIM = frozenset({"STRING", "IDENTIFIER"})
