"""Gathering: the triggers of a batch that are counted alike, brought together.

Most events are triggers that differ in nothing but id, sequence and the second. What is done
with such a group is done once, however many they are. Gathering needs nothing but the records,
so it may be done wherever they are read. This module must not know what was taken in before.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from pulsebot.errors import InvalidEvent
from pulsebot.event import EPOCH, Trigger, decode
from pulsebot.stream.base import Prepared, Record
from pulsebot.window import MINUTE_MS

Adding = tuple[Callable[[int], None], Callable[[int], None], Callable[[int], None]]


class Limits(NamedTuple):
    """How far an event's time may lie from its log time, in milliseconds."""

    past_ms: int
    future_ms: int


class Group(Struct, array_like=True):
    """Triggers of one producer and one minute with the same service, instance, name and tags.

    The lists go together, in the order of arrival: the place among the batch's records, the
    producer's sequence, and how often each was triggered. `sample` is the first of them.
    """

    sample: Trigger
    minute_ms: int
    places: list[int]
    sequences: list[int]
    counts: list[int]

    def without(self, places: set[int]) -> "Group":
        """Return the group without those at these places."""
        kept = [i for i, place in enumerate(self.places) if place not in places]
        return Group(
            self.sample,
            self.minute_ms,
            [self.places[i] for i in kept],
            [self.sequences[i] for i in kept],
            [self.counts[i] for i in kept],
        )


class Gathered(Struct, array_like=True):
    """A batch's groups, and the places of all other records."""

    groups: list[Group]
    rest: list[int]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Gathered)


def gather(records: Sequence[Record], limits: Limits) -> Gathered:
    """Gather what is an undoubted trigger: numbered by its producer, its time not absurd.

    One loop without a call that it can do without: this is done for every event there is.
    """
    groups: dict[Any, Group] = {}
    adding: dict[Any, Adding] = {}
    rest: list[int] = []
    minute = _Minute(EPOCH, limits)
    for place, record in enumerate(records):
        try:
            event = decode(record.value, record.headers)
        except InvalidEvent:
            rest.append(place)
            continue
        producer, sequence, at = event.producer, event.sequence, event.time
        if not minute.first <= at <= minute.last:
            minute = _Minute(at, limits)
        if (
            type(event) is not Trigger
            or producer is None
            or sequence is None
            or not minute.earliest_log_ms <= record.timestamp <= minute.latest_log_ms
            or record.headers  # it may be a dead letter that is tried again
        ):
            rest.append(place)
            continue
        data = event.data
        tags = tuple(data.tags.items())
        shape = event.service, producer, event.instance, data.name, tags, minute.start_ms
        if (add := adding.get(shape)) is None:
            group = groups[shape] = Group(event, minute.start_ms, [], [], [])
            add = group.places.append, group.sequences.append, group.counts.append
            adding[shape] = add
        add_place, add_sequence, add_count = add
        add_place(place)
        add_sequence(sequence)
        add_count(data.count)
    return Gathered(list(groups.values()), rest)


class _Minute:
    """The minute of an event time, and the log times with which all of it is not absurd."""

    __slots__ = ("earliest_log_ms", "first", "last", "latest_log_ms", "start_ms")

    def __init__(self, at: datetime, limits: Limits) -> None:
        self.first = at.replace(second=0, microsecond=0)
        self.last = at.replace(second=59, microsecond=999_999)
        self.start_ms = (self.first - EPOCH) // timedelta(milliseconds=1)
        self.earliest_log_ms = max(1, self.start_ms + MINUTE_MS - limits.future_ms)
        self.latest_log_ms = self.start_ms + limits.past_ms


def prepare(limits: Limits, records: Sequence[Record]) -> bytes:
    """Gather where the records are read; `gathered` takes the result."""
    return _encoder.encode(gather(records, limits))


def gathered(records: Sequence[Record], limits: Limits) -> Gathered:
    """Return a batch gathered, here unless that was done where it was read."""
    if isinstance(records, Prepared):
        return _decoder.decode(records.preparation)
    return gather(records, limits)
