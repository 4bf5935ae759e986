"""What a command is: a function from a question to a message, reading the store only.

The function's docstring is its help; what it returns is the reply. InvalidInput that it raises
is shown to the asker as it stands. A command must not know which chat it is asked in.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from zoneinfo import ZoneInfo

from pulsebot.errors import InvalidInput
from pulsebot.materialize.answer import Answer as StatementAnswer
from pulsebot.message import Message, Note
from pulsebot.moment import Moment, take_moment
from pulsebot.phrases import instant
from pulsebot.store import services
from pulsebot.store.database import Connection
from pulsebot.timespan import MAX_TEXT, Timespan, parse_timespan
from pulsebot.window import DAY_MS, QUARTER_MS, bucket_start, widen

MAX_ROWS = 40
"""Rows of a table in one reply; chats cut longer ones."""

MAX_NAMED = 8
"""Services named where a name was not understood and nothing is close."""


@dataclass(frozen=True, slots=True)
class Question:
    """A command's words after its name, and what is needed to understand them.

    `behind` is how many records are not consumed yet: answers say so when it is not 0. Before
    `fine_since_ms` there are only 15-minute buckets; None: minutes all along. `text` is what was
    typed after the command's name, as it stands.
    """

    words: tuple[str, ...]
    now_ms: int
    zone: ZoneInfo
    behind: int = 0
    fine_since_ms: int | None = None
    text: str = ""

    def timespan(self, words: tuple[str, ...], default: str) -> Timespan:
        """Parse the window in these words, `default` where there are none."""
        return parse_timespan(" ".join(words) or default, now=self.now_ms, zone=self.zone)

    def past(self) -> tuple[tuple[str, ...], Moment | None]:
        """Take a moment such as `at 14:00 yesterday` off the words; None where there is none."""
        return take_moment(self.words, now=self.now_ms, zone=self.zone)

    def buckets(self, span: Timespan) -> tuple[int, int]:
        """Return the range of whole buckets that holds a span: what can be counted exactly."""
        return widen(span.start_ms, span.end_ms, fine_since_ms=self.fine_since_ms)


def fine_since_ms(now_ms: int, minute_days: float) -> int:
    """Return since when there are minutes, where they are kept for so many days."""
    return bucket_start(now_ms - int(minute_days * DAY_MS), QUARTER_MS)


Answer = Callable[[Connection, Question], Message]

CarryOut = Callable[[str], Awaitable[Sequence[StatementAnswer]]]
"""Carries out SQL statements; raises InvalidInput."""

Perform = Callable[[CarryOut, Question], Awaitable[Message]]


@dataclass(frozen=True, slots=True)
class Command:
    """One line of the table: `usage` shows the arguments, such as `service [window]`."""

    name: str
    usage: str
    answer: Answer
    perform: Perform | None = None
    """Set where it carries out statements: for operators only, and only by the running bot."""

    @property
    def help(self) -> str:
        """The first line of the function's docstring."""
        return (self.answer.__doc__ or "").partition("\n")[0].rstrip(".")

    def __str__(self) -> str:
        return f"/{self.name} {self.usage}".rstrip()


def find_service(connection: Connection, name: str) -> str:
    """Return the service that is meant; raises InvalidInput with suggestions if none is."""
    known = services.names(connection)
    if name in known:
        return name
    folded = {candidate.casefold(): candidate for candidate in known}
    if match := folded.get(name.casefold()):
        return match
    if not known:
        raise InvalidInput(f"no service called {name}: no events have arrived yet")
    close = get_close_matches(name.casefold(), folded, n=3, cutoff=0.5)
    if close:
        raise InvalidInput(
            f"no service called {name}; did you mean {' or '.join(folded[c] for c in close)}?"
        )
    some = ", ".join(known[:MAX_NAMED]) + (", …" if len(known) > MAX_NAMED else "")
    raise InvalidInput(f"no service called {name}; there are {some}")


def split_service(
    connection: Connection, question: Question, words: tuple[str, ...]
) -> tuple[str | None, tuple[str, ...]]:
    """Tell a service at the beginning from the window after it; either may be missing."""
    if not words:
        return None, ()
    try:
        return find_service(connection, words[0]), words[1:]
    except InvalidInput as unknown:
        try:
            question.timespan(words, "today")
        except InvalidInput:
            raise unknown from None
        return None, words


def no_more(words: Sequence[str]) -> None:
    """Refuse words that are left over; raises InvalidInput."""
    if words:
        raise InvalidInput(
            f"I do not understand {' '.join(words)[:MAX_TEXT]!r} here; for a moment of the past"
            " say: at 14:00 yesterday"
        )


def the_past(connection: Connection, then: Moment) -> tuple[Note, ...]:
    """Return what is to be noted of a moment: what its clocks did, and that nothing is known."""
    notes = [Note(then.note)] if then.note else []
    first_ms = services.first_ms(connection)
    if first_ms is not None and first_ms > then.at_ms:
        notes.append(Note(f"My first event is of {instant(first_ms, then.zone, year=True)}."))
    return tuple(notes)


def forgotten(what: str, kept_ms: int | None, start_ms: int, zone: ZoneInfo) -> tuple[Note, ...]:
    """Return a note where an answer reaches back to what is not kept any more."""
    if kept_ms is None or kept_ms <= start_ms:
        return ()
    return (Note(f"{what.capitalize()} before {instant(kept_ms, zone, year=True)} are not kept."),)


def small_print(question: Question, span: Timespan | None = None) -> tuple[Note, ...]:
    """Return the interval and zone of an answer, and whether the numbers are behind."""
    notes = [Note(span.describe())] if span else []
    if question.behind:
        notes.append(
            Note(f"{question.behind:,} records are not counted yet: I am still catching up.")
        )
    return tuple(notes)
