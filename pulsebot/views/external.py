"""External streams: topics of any other system, as `CREATE STREAM … WITH` declares them.

`CREATE STREAM ORDERS (ID STRING, AMOUNT DOUBLE, AT BIGINT)
WITH (KAFKA_TOPIC='orders', VALUE_FORMAT='JSON', TIMESTAMP='AT')`. Columns are the fields of a
JSON object, found whatever their case; a field that is missing, or of another type, is NULL.
"""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from pulsebot.errors import InvalidEvent
from pulsebot.views.datatype import SPELLINGS, Type
from pulsebot.views.expression import Column, Evaluate
from pulsebot.views.place import InvalidSql, nearest
from pulsebot.views.source import Source
from pulsebot.views.statement import Create
from pulsebot.views.value import fit

OPTIONS = ("KAFKA_TOPIC", "TIMESTAMP", "VALUE_FORMAT")
MAX_BYTES = 1_000_000
"""Largest record that is decoded."""

_MOST_MS = 253_402_300_799_999  # the end of the year 9999
_decoder = msgspec.json.Decoder(dict[str, Any])


def external_source(create: Create) -> Source:
    """Check a declaration and return its source; raises InvalidSql."""
    place = create.name.place
    for option in create.options:
        if option not in OPTIONS:
            raise InvalidSql(f"there is no option {option}{nearest(option, OPTIONS)}", place)
    topic = create.options.get("KAFKA_TOPIC")
    if not isinstance(topic, str) or not topic:
        raise InvalidSql("KAFKA_TOPIC is missing: WITH (KAFKA_TOPIC = 'orders', …)", place)
    if create.options.get("VALUE_FORMAT", "JSON") != "JSON":
        raise InvalidSql("VALUE_FORMAT can only be 'JSON'", place)
    columns = _columns(create)
    stamp = create.options.get("TIMESTAMP")
    if stamp is not None and (not isinstance(stamp, str) or stamp.upper() not in columns):
        raise InvalidSql(f"TIMESTAMP names no column{nearest(str(stamp), columns)}", place)
    time = _time_of(columns[stamp.upper()].value) if isinstance(stamp, str) else None
    return Source(create.name.text, None, columns, topic=topic, decode=_decode, time=time)


def _columns(create: Create) -> Mapping[str, Column]:
    columns = {"ROWTIME": Column("ROWTIME", Type.BIGINT, lambda _row, ms: ms)}
    for definition in create.columns:
        name, kind = definition.name.text, SPELLINGS.get(definition.type)
        if kind is None:
            said = f"there is no type {definition.type[:60]}{nearest(definition.type, SPELLINGS)}"
            raise InvalidSql(said, definition.name.place)
        if name in columns:
            raise InvalidSql(f"{name} is there twice", definition.name.place)
        columns[name] = Column(name, kind, _field(name, kind))
    return columns


def _decode(value: bytes | None) -> dict[str, Any]:
    """Return a record's fields by their names in upper case; raises InvalidEvent."""
    if value is None:
        raise InvalidEvent("the record is empty (a tombstone); expected a JSON object")
    if len(value) > MAX_BYTES:
        raise InvalidEvent(f"{len(value)} bytes; a record may have {MAX_BYTES} at most")
    try:
        fields = _decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidEvent(f"no JSON object: {error}") from error
    return {name.upper(): field for name, field in fields.items()}


def _field(name: str, kind: Type) -> Evaluate:
    keep = _KEEPS[kind]
    return lambda row, _ms: keep(row.get(name))


def _number(value: Any) -> float | None:
    usable = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if usable and math.isfinite(value) else None


def _whole(value: Any) -> int | None:
    usable = isinstance(value, int) and not isinstance(value, bool)
    return value if usable and abs(value) < 2**63 else None


_KEEPS: Mapping[Type, Callable[[Any], Any]] = {
    Type.STRING: lambda value: value if isinstance(value, str) else None,
    Type.BIGINT: _whole,
    Type.DOUBLE: _number,
    Type.BOOLEAN: lambda value: value if isinstance(value, bool) else None,
    Type.JSON: fit,
}


def _time_of(read: Evaluate) -> Callable[[Any], int | None]:
    """Return what tells a row's time: epoch milliseconds, or a text of ISO 8601 (UTC if bare)."""

    def time_ms(row: Any) -> int | None:
        value = read(row, 0)
        if isinstance(value, str):
            try:
                moment = datetime.fromisoformat(value)
            except ValueError:
                return None
            known = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            value = round(known.timestamp() * 1000)
        return value if isinstance(value, int) and 0 <= value <= _MOST_MS else None

    return time_ms
