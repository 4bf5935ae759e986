"""Statements: what a person wrote in SQL, taken apart but not yet checked against any stream.

Values only. `dialect` makes them, `plan` gives the queries in them a meaning.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sqlglot import exp

from pulsebot.views.place import Place

Unit = Literal["MILLISECOND", "SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH"]


@dataclass(frozen=True, slots=True)
class Span:
    """A length of time as it was written: `7 DAYS`."""

    count: int
    unit: Unit

    def __str__(self) -> str:
        return f"{self.count} {self.unit}{'S' if self.count != 1 else ''}"


@dataclass(frozen=True, slots=True)
class WindowClause:
    """`WINDOW TUMBLING (SIZE 1 DAY, TIMEZONE 'Europe/Berlin', GRACE PERIOD 1 HOUR)`.

    `size` of a SESSION is the gap of inactivity that ends it.
    """

    kind: Literal["TUMBLING", "HOPPING", "SESSION"]
    size: Span
    place: Place
    advance: Span | None = None
    grace: Span | None = None
    retention: Span | None = None
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """A SELECT: sqlglot's tree of it, its window, and whether it emits `CHANGES` or `FINAL`."""

    select: exp.Select
    text: str
    window: WindowClause | None = None
    emit: Literal["CHANGES", "FINAL"] | None = None

    def place(self, node: exp.Expr) -> Place:
        """Return where a part of the SELECT begins."""
        return Place.of(node, self.text)


Options = Mapping[str, str | int | float]


@dataclass(frozen=True, slots=True)
class Name:
    """A name as it counts (unquoted names in upper case), and where it stands."""

    text: str
    place: Place

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class ColumnDefinition:
    """`SERVICE_ID STRING PRIMARY KEY`."""

    name: Name
    type: str
    key: bool = False


@dataclass(frozen=True, slots=True)
class Create:
    """`CREATE [OR REPLACE] TABLE | STREAM name …`: from a SELECT, or of columns from outside.

    `since` is the text of `FROM TIMESTAMP '…'`, from which on the log is read.
    """

    kind: Literal["TABLE", "STREAM"]
    name: Name
    text: str
    replace: bool = False
    query: Query | None = None
    columns: tuple[ColumnDefinition, ...] = ()
    options: Options = field(default_factory=dict)
    since: str | None = None


@dataclass(frozen=True, slots=True)
class Drop:
    """`DROP TABLE | STREAM [IF EXISTS] name`."""

    kind: Literal["TABLE", "STREAM"]
    name: Name
    if_exists: bool


@dataclass(frozen=True, slots=True)
class Show:
    """`SHOW TABLES | STREAMS | FUNCTIONS`."""

    what: Literal["TABLES", "STREAMS", "FUNCTIONS"]


@dataclass(frozen=True, slots=True)
class Describe:
    """`DESCRIBE name`."""

    name: Name


@dataclass(frozen=True, slots=True)
class Explain:
    """`EXPLAIN name` or `EXPLAIN statement`."""

    target: "Name | Statement"


@dataclass(frozen=True, slots=True)
class Replay:
    """`REPLAY TABLE name FROM TIMESTAMP '…'`: built again from the log, beside, and swapped."""

    name: Name
    since: str


Statement = Create | Drop | Show | Describe | Explain | Replay | Query
