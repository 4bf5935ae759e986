"""Sources: the streams that a statement may read, and their columns.

The four built-in ones are the kinds of event; each has SERVICE_ID, INSTANCE_ID, ROWTIME, TAGS
and the fields of its kind. A pre-aggregated trigger stands for as many triggers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import msgspec

from pulsebot.event import Kind
from pulsebot.fingerprint import fingerprint
from pulsebot.views.datatype import Type
from pulsebot.views.expression import Attributes, Column, Evaluate


@dataclass(frozen=True, slots=True)
class Source:
    """A stream of rows made from events of one kind, or from the records of another topic.

    `row` turns an event into a row, None where the stream leaves it out; itself None where
    the row is the event. `row_reads` are the attributes by which it decides that. `parents`
    are the streams that it is made from. Of a `topic`, `decode` gives a record's row or raises
    InvalidEvent, and `time` the row's time (ms). A `lookup` has no rows of its own: others
    join it, and find its rows by `key`.
    """

    name: str
    kind: Kind | None
    columns: Mapping[str, Column]
    row: Evaluate | None = None
    row_reads: Attributes = frozenset()
    parents: tuple[str, ...] = ()
    topic: str | None = None
    decode: Callable[[bytes | None], Any] | None = None
    time: Callable[[Any], int | None] | None = None
    lookup: Mapping[Any, Mapping[str, Any]] | None = None
    key: str = ""


def times_of(kind: Kind) -> Callable[[Any], int]:
    """Return what tells for how many equal events an event stands."""
    return (lambda event: int(event.data.count)) if kind is Kind.TRIGGER else (lambda _event: 1)


def _field(path: str) -> Evaluate:
    get = attrgetter(path)
    return lambda row, _ms: get(row)


def _data(row: Any, _ms: int) -> dict[str, Any]:
    """Return what is known of an event, defaults too: its columns have them as well."""
    fields = msgspec.structs.asdict(row.data)
    return {name: value for name, value in fields.items() if value is not None}


def _attribute(name: str, kind: Type, path: str) -> Column:
    """Return a column of an attribute by which events are grouped."""
    return Column(name, kind, _field(path), frozenset({name}))


def _stream(name: str, kind: Kind, fields: Mapping[str, Type], *more: Column) -> Source:
    columns = [
        _attribute("SERVICE_ID", Type.STRING, "service"),
        _attribute("INSTANCE_ID", Type.STRING, "instance"),
        Column("ROWTIME", Type.BIGINT, lambda _row, ms: ms),
        Column("EVENT_ID", Type.STRING, _field("id")),
        Column("PRODUCER", Type.STRING, _field("producer")),
        _attribute("TAGS", Type.MAP, "data.tags"),
        Column("DATA", Type.JSON, _data),
        *(Column(field.upper(), kind_, _field(f"data.{field}")) for field, kind_ in fields.items()),
        *more,
    ]
    return Source(name, kind, {column.name: column for column in columns})


_S, _I, _D = Type.STRING, Type.BIGINT, Type.DOUBLE

BUILT_IN: Mapping[str, Source] = {
    source.name: source
    for source in (
        _stream(
            "SERVICE_TRIGGER",
            Kind.TRIGGER,
            {},
            _attribute("NAME", _S, "data.name"),
            Column("COUNT", _I, _field("data.count"), weight=True),
            Column("DURATION_MS", _D, _field("data.duration_ms")),
        ),
        _stream(
            "SERVICE_CRASH",
            Kind.CRASH,
            {"error": _S, "message": _S, "stack": _S, "exit_code": _I, "signal": _S},
            Column("FINGERPRINT", Type.STRING, lambda row, _ms: fingerprint(row)),
        ),
        _stream(
            "SERVICE_STATUS",
            Kind.STATUS,
            {"state": _S, "reason": _S, "cpu": _D, "rss": _I, "uptime_s": _D},
        ),
        _stream(
            "APP_MESSAGE",
            Kind.MESSAGE,
            {"text": _S, "title": _S, "level": _S, "link": _S},
        ),
    )
}
