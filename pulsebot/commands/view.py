"""`/view`: rows of a view that somebody made in SQL, as a table that fits a chat."""

from difflib import get_close_matches

from pulsebot.commands.base import MAX_NAMED, Question, small_print
from pulsebot.commands.rows import compact
from pulsebot.errors import InvalidInput
from pulsebot.materialize.relation import Relation, names, relation, seen_of
from pulsebot.message import Message, Note, Part, Text
from pulsebot.phrases import zone_name
from pulsebot.store import viewrows
from pulsebot.store.database import Connection
from pulsebot.store.viewrows import Asked, Seen
from pulsebot.timespan import Timespan
from pulsebot.views.place import nearest

ROWS = 20
"""Rows of one reply."""

NAMED = 1_000
"""Keys among which the nearest is looked for."""


def view(connection: Connection, question: Question) -> Message:
    """Show a view made in SQL: its newest rows, or those of a key, in a window."""
    if not question.words:
        return _all(connection)
    found = _find(connection, question.words[0])
    seen = seen_of(connection, found)
    key, span = _understand(connection, question, found, seen)
    bounds = (span.start_ms, span.end_ms) if span else (None, None)
    rows = viewrows.rows(connection, seen, Asked(ROWS + 1, key, *bounds))
    parts: list[Part] = [compact(found.columns, rows[:ROWS])]
    if len(rows) > ROWS:
        parts.append(Text("… and more; name a key, or a shorter window"))
    if found.entry.state == "building":
        parts.append(Note("It is still being built from the log."))
    if found.windowed:
        parts.append(Note(f"windows of {zone_name(found.zone.key)}"))
    title = " ".join([found.name, *([key] if key else []), *([span.label] if span else [])])
    return Message(title, (*parts, *small_print(question, span)))


def _all(connection: Connection) -> Message:
    there = names(connection)
    if not there:
        return Message("There are no views yet.", (Text("Operators create them: /sql CREATE …"),))
    return Message("Views", (Text("\n".join(there[:NAMED])), Note("/view NAME [key] [window]")))


def _find(connection: Connection, name: str) -> Relation:
    there = names(connection)
    meant = name if name in there else name.upper()
    found = relation(connection, meant)
    if found is None:
        hint = nearest(name, there) if there else "; there are none yet"
        raise InvalidInput(f"there is no view {name[:60]}{hint}")
    return found


def _understand(
    connection: Connection, question: Question, found: Relation, seen: Seen
) -> tuple[str | None, Timespan | None]:
    """Take the next word for a key if there is such a row, else all words for a window."""
    words = question.words[1:]
    if not words:
        return None, None
    if viewrows.has_key(connection, seen, words[0]):
        rest = words[1:]
        return words[0], _fitting(question.timespan(rest, ""), found) if rest else None
    try:
        span = question.timespan(words, "")
    except InvalidInput:
        known = viewrows.some_keys(connection, seen, NAMED)
        close = get_close_matches(words[0], known, n=2, cutoff=0.5)
        hint = f"did you mean {' or '.join(close)}?" if close else _some(known)
        raise InvalidInput(f"{found.name} has no row for {words[0][:60]}; {hint}") from None
    return None, _fitting(span, found)


def _fitting(span: Timespan, found: Relation) -> Timespan:
    if not found.windowed:
        raise InvalidInput(f"{found.name} has no windows: it is one count of all time")
    return span


def _some(known: list[str]) -> str:
    more = ", …" if len(known) > MAX_NAMED else ""
    return f"there is {', '.join(known[:MAX_NAMED])}{more}" if known else "it has no rows"
