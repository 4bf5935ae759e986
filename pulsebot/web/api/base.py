"""What the resources of the API share: parameters, the forms of times and windows, refusals.

A resource is a function from the store, a question and its parameters to an answer; parameters
and answers are frozen structs, and the OpenAPI document is made of them. It must not know HTTP.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, get_type_hints
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct

from pulsebot.civil import local_time
from pulsebot.commands.base import Question, find_service
from pulsebot.errors import InvalidInput
from pulsebot.store import services
from pulsebot.store.database import Connection
from pulsebot.timespan import MAX_TEXT, Timespan
from pulsebot.web.board.wording import named

MAX_NAME = 1_020
"""Characters of a name in an address: 255, should each be in Base64."""

Service = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_NAME,
        description="Name of a service, in any case. `.` and `..`, which clients resolve away, "
        "can be written in Base64 (URL-safe) after a tilde.",
        examples=["svc-a"],
    ),
]
Span = Annotated[
    str,
    Meta(
        max_length=MAX_TEXT,
        description="A window as the commands understand it: today, yesterday, monday, this "
        "week, last month, 90m, 7d, since 09:00, 2026-11-20, 2026-11-01..2026-11-07. Days are "
        "days of `zone`.",
        examples=["today", "7d"],
    ),
]
Zone = Annotated[
    str,
    Meta(
        max_length=100,
        description="Time zone (IANA) of days and times; the bot's own unless given.",
        examples=["Europe/Berlin"],
    ),
]


Time = Annotated[datetime, Meta(tz=True)]


class Parameters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every question may be asked with; a field named in the path is taken from there."""

    zone: Zone | None = None


class AsOf(Struct, frozen=True):
    """Of which moment an answer is."""

    at: Time
    behind: Annotated[
        int, Meta(ge=0, description="Records of the stream that are not counted yet.")
    ]


class Window(Struct, frozen=True):
    """The half-open range of time that an answer is about; counts are of the whole minutes in it.

    Where only quarters of an hour are kept of old counts, it is the whole quarters.
    """

    since: Time
    until: Time
    zone: Annotated[str, Meta(description="Time zone (IANA) of its days.")]
    label: Annotated[str, Meta(description="What was asked for.", examples=["today"])]


class Blamed(InvalidInput):
    """Report a parameter that is to blame; the text names the mend."""

    def __init__(self, parameter: str, detail: str) -> None:
        super().__init__(detail)
        self.parameter = parameter


class NotHere(Blamed):
    """Report that what a parameter names is not there."""


class Unusable(Blamed):
    """Report that a parameter cannot be used."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One line of the table: `path` below /api/v1, with `{field}` for what it names.

    `answer(connection, question, parameters)` runs in a reader's thread. Its annotations are
    the forms of the parameters and of the answer, its docstring is the documentation.
    """

    path: str
    answer: Callable[[Connection, Question, Any], Struct]

    @property
    def segments(self) -> list[str]:
        """The parts of the path between slashes."""
        return self.path.strip("/").split("/")

    @property
    def parameters(self) -> type[Parameters]:
        """The form of the parameters."""
        asked: type[Parameters] = self._hints()[-2]
        return asked

    @property
    def form(self) -> type[Struct]:
        """The form of the answer."""
        form: type[Struct] = self._hints()[-1]
        return form

    def _hints(self) -> list[Any]:
        return list(get_type_hints(self.answer, include_extras=True).values())


def time_of(ms: int, zone: ZoneInfo) -> datetime:
    """Return a time with the zone's offset then, or in UTC where RFC 3339 cannot write that."""
    local = local_time(ms, zone)
    whole = (local.utcoffset() or timedelta(0)) % timedelta(minutes=1) == timedelta(0)
    return local if whole else local.astimezone(UTC)


def when(ms: int | None, zone: ZoneInfo) -> datetime | None:
    """Return a time as `time_of` does; None for none."""
    return None if ms is None else time_of(ms, zone)


def as_of(question: Question) -> AsOf:
    """Return the moment of a question."""
    return AsOf(time_of(question.now_ms, question.zone), question.behind)


def span_of(question: Question, words: str) -> Timespan:
    """Return the window that the parameter `window` means; raises Unusable."""
    try:
        return question.timespan((words,), words)
    except InvalidInput as error:
        raise Unusable("window", str(error)) from None


def window(span: Timespan) -> Window:
    """Return a window as answers carry it."""
    return Window(
        time_of(span.start_ms, span.zone),
        time_of(span.end_ms, span.zone),
        span.zone.key,
        span.label,
    )


def service_of(connection: Connection, name: str) -> str:
    """Return the service that `name` means; raises NotHere with suggestions."""
    if services.find(connection, name):
        return name
    try:
        return find_service(connection, named(name))
    except InvalidInput as error:
        raise NotHere("service", str(error)) from None
