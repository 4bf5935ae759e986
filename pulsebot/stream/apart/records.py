"""Records as they came over the line, each made only when it is asked for.

Most are never looked at one by one: what there is to know of them was made where they were read.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain, repeat
from typing import overload

from msgspec import Struct

from pulsebot.stream.apart.wire import Found, Headers, Run
from pulsebot.stream.base import Prepared, Record


class RecordApart(Struct, frozen=True, gc=False):
    """One record; see `pulsebot.stream.base.Record`."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    value: bytes | None
    headers: Headers


class RecordsApart(Prepared):
    """All that one answer holds, in its order; slices are plain lists."""

    def __init__(self, found: Found) -> None:
        self.preparation = found.preparation
        self._runs = found.runs
        self._ends = list(accumulate(len(run.offsets) for run in found.runs))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __iter__(self) -> Iterator[Record]:
        return chain.from_iterable(map(_each, self._runs))

    @overload
    def __getitem__(self, place: int) -> Record: ...
    @overload
    def __getitem__(self, place: slice) -> list[Record]: ...
    def __getitem__(self, place: int | slice) -> Record | list[Record]:
        if isinstance(place, slice):
            return list(self)[place] if len(range(len(self))[place]) else []
        place = range(len(self))[place]
        number = bisect_right(self._ends, place)
        return _at(self._runs[number], place - self._ends[number])

    def last(self) -> Sequence[Record]:
        """Return the last record of each run, in their order."""
        return [_at(run, -1) for run in self._runs]


def _at(run: Run, place: int) -> RecordApart:
    """Return a record by its place, counted from the end: negative."""
    return RecordApart(
        run.topic,
        run.partition,
        run.offsets[place],
        run.timestamps[place],
        run.values[place],
        () if run.headers is None else run.headers[place],
    )


def _each(run: Run) -> Iterator[RecordApart]:
    fields = repeat(run.topic), repeat(run.partition), run.offsets, run.timestamps, run.values
    return map(RecordApart, *fields, repeat(()) if run.headers is None else run.headers)
