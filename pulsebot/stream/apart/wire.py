"""What the two processes say to each other: questions, and answers by the question's number.

Each is one msgpack value. Records go by run, the stretches of one partition, field by field:
to make and to take apart at a fraction of what a record each would cost.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import Struct

from pulsebot.errors import InvalidInput, StreamError
from pulsebot.stream.base import Gap, Partition, Preparer, Reader, Record

Make = Callable[[], Reader]
"""Gives the reader that works over there."""

Prepare = Callable[[], Preparer]
"""Gives what prepares the records of one answer over there."""

Offsets = list[tuple[str, int, int]]
"""Topic, partition and offset."""

Headers = tuple[tuple[str, bytes], ...]


class Seek(Struct, tag=True, array_like=True):
    """Go on at these offsets; what is being read is forgotten."""

    positions: Offsets


class Read(Struct, tag=True, array_like=True):
    """Answer with the next records."""

    max_records: int
    timeout_s: float


class Ends(Struct, tag=True, array_like=True):
    """Answer with the ends of all partitions."""


class OffsetsAt(Struct, tag=True, array_like=True):
    """Answer with the offsets at a time."""

    time_ms: int


Question = Seek | Read | Ends | OffsetsAt


class Request(Struct, array_like=True):
    """A question; its number comes back with the answer."""

    number: int
    question: Question


class Done(Struct, tag=True, array_like=True):
    """It was done: the stream is open, or the seek carried out."""


class Run(Struct, array_like=True):
    """Records of one partition that follow each other; no `headers` where none has any."""

    topic: str
    partition: int
    offsets: list[int]
    timestamps: list[int]
    values: list[bytes | None]
    headers: list[Headers] | None


class Found(Struct, tag=True, array_like=True):
    """What was read, and what retention had removed before."""

    runs: list[Run]
    preparation: bytes
    gaps: list[tuple[str, int, int, int]]


class Told(Struct, tag=True, array_like=True):
    """Offsets that were asked for."""

    offsets: Offsets


class Fault(Struct, tag=True, array_like=True):
    """The question could not be answered; `invalid` where the settings are at fault."""

    text: str
    invalid: bool


class Logged(Struct, tag=True, array_like=True):
    """A line for the log; goes with no question."""

    logger: str
    level: str
    event: str
    facts: dict[str, Any]


Answer = Done | Found | Told | Fault | Logged


class Reply(Struct, array_like=True):
    """An answer with the number of its question; 0 is the opening of the stream, and the log."""

    number: int
    answer: Answer


_encoder = msgspec.msgpack.Encoder(enc_hook=repr)
_requests = msgspec.msgpack.Decoder(Request)
_replies = msgspec.msgpack.Decoder(Reply)


def encoded(message: Request | Reply) -> bytes:
    """Return a message as it goes over the line."""
    return _encoder.encode(message)


def request(message: bytes | memoryview) -> Request:
    """Take a question from what came over the line."""
    return _requests.decode(message)


def reply(message: bytes | memoryview) -> Reply:
    """Take an answer from what came over the line."""
    return _replies.decode(message)


def offsets_of(positions: Mapping[Partition, int]) -> Offsets:
    """Return positions as they go over the line."""
    return [(p.topic, p.partition, offset) for p, offset in positions.items()]


def positions_of(offsets: Offsets) -> dict[Partition, int]:
    """Return positions that came over the line."""
    return {Partition(topic, number): offset for topic, number, offset in offsets}


def found(records: Iterable[Record], preparation: bytes, gaps: Iterable[Gap]) -> Found:
    """Return what was read as it goes over the line."""
    runs = [
        _run(topic, number, list(run))
        for (topic, number), run in groupby(records, attrgetter("topic", "partition"))
    ]
    return Found(runs, preparation, [(*gap.partition, gap.asked, gap.earliest) for gap in gaps])


def _run(topic: str, number: int, records: Sequence[Record]) -> Run:
    headers = [tuple(record.headers) for record in records]
    return Run(
        topic,
        number,
        [record.offset for record in records],
        [record.timestamp for record in records],
        [record.value for record in records],
        headers if any(headers) else None,
    )


def gaps_of(answer: Found) -> list[Gap]:
    """Return the gaps that came over the line."""
    return [Gap(Partition(topic, n), asked, earliest) for topic, n, asked, earliest in answer.gaps]


def fault_of(error: StreamError | InvalidInput) -> Fault:
    """Return an error as it goes over the line."""
    return Fault(str(error), isinstance(error, InvalidInput))


def error_of(fault: Fault) -> StreamError | InvalidInput:
    """Return an error that came over the line."""
    return InvalidInput(fault.text) if fault.invalid else StreamError(fault.text)


def level_of(line: Logged) -> int:
    """Return the number that the log knows a level by."""
    return logging.getLevelNamesMapping().get(line.level.upper(), logging.ERROR)
