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
from pulsebot.event import EPOCH, Trigger, TriggerData, outline, trigger_data
from pulsebot.stream.base import Prepared, Record
from pulsebot.window import MINUTE_MS

Adding = tuple[Callable[[int], None], Callable[[int], None], Callable[[int], None]]

Look = tuple[int, int]
"""What a trigger's data says: a number for its name and tags, and how often it was triggered."""


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
    """The groups of a batch's first so many records, and the places of all others of them."""

    groups: list[Group]
    rest: list[int]
    records: int


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Gathered)


class Gathering:
    """Gathers a batch piece by piece; may go on where another one was left, `gathered` so far.

    A group is then in two parts, which is as good.
    """

    def __init__(self, limits: Limits, gathered: Gathered | None = None) -> None:
        self._limits = limits
        self._adding: dict[Any, Adding] = {}
        self._looks: dict[bytes, Look] = {}
        self._named: dict[Any, int] = {}
        self.gathered = gathered or Gathered([], [], 0)

    def take(self, records: Sequence[Record]) -> None:
        """Gather what is an undoubted trigger: numbered by its producer, its time not absurd.

        One loop without a call that it can do without: this is done for every event there is.
        """
        adding, looks, rest = self._adding, self._looks, self.gathered.rest
        minute = _Minute(EPOCH, self._limits)
        for place, record in enumerate(records, self.gathered.records):
            try:
                event = outline(record.value)
                raw = bytes(event.data)
                if (look := looks.get(raw)) is None:
                    look = looks[raw] = self._look(trigger_data(raw))
            except InvalidEvent:
                rest.append(place)
                continue
            producer, sequence, at = event.producer, event.sequence, event.time
            if not minute.first <= at <= minute.last:
                minute = _Minute(at, self._limits)
            if (
                producer is None
                or sequence is None
                or not minute.earliest_log_ms <= record.timestamp <= minute.latest_log_ms
                or record.headers  # in binary mode, or a dead letter that is tried again
            ):
                rest.append(place)
                continue
            named, count = look
            shape = event.service, producer, event.instance, named, minute.start_ms
            if (add := adding.get(shape)) is None:
                add = adding[shape] = self._group(event.whole(trigger_data(raw)), minute.start_ms)
            add_place, add_sequence, add_count = add
            add_place(place)
            add_sequence(sequence)
            add_count(count)
        self.gathered.records += len(records)

    def _look(self, data: TriggerData) -> Look:
        named = data.name, tuple(data.tags.items())
        return self._named.setdefault(named, len(self._named)), data.count

    def _group(self, sample: Trigger, minute_ms: int) -> Adding:
        group = Group(sample, minute_ms, [], [], [])
        self.gathered.groups.append(group)
        return group.places.append, group.sequences.append, group.counts.append

    def made(self) -> bytes:
        """Return what was gathered, for `gathered` to take up."""
        return _encoder.encode(self.gathered)


class _Minute:
    """The minute of an event time, and the log times with which all of it is not absurd."""

    __slots__ = ("earliest_log_ms", "first", "last", "latest_log_ms", "start_ms")

    def __init__(self, at: datetime, limits: Limits) -> None:
        self.first = at.replace(second=0, microsecond=0)
        self.last = at.replace(second=59, microsecond=999_999)
        self.start_ms = (self.first - EPOCH) // timedelta(milliseconds=1)
        self.earliest_log_ms = max(1, self.start_ms + MINUTE_MS - limits.future_ms)
        self.latest_log_ms = self.start_ms + limits.past_ms


def gathered(records: Sequence[Record], limits: Limits) -> Gathered:
    """Return a batch gathered, here as far as that was not done where it was read."""
    found = Gathered([], [], 0)
    if isinstance(records, Prepared):
        found = _decoder.decode(records.preparation)
    if found.records < len(records):
        Gathering(limits, found).take(records[found.records :])
    return found
