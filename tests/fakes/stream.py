"""A stream in lists: the Reader's whole contract, in memory, with hands on its tempo."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from pulsebot.errors import StreamError
from pulsebot.stream.base import Gap, Partition


@dataclass(frozen=True)
class ListRecord:
    """One record."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


class ListStream:
    """A reader of lists of records. `batch` bounds each read; what is in `held` lags behind."""

    def __init__(self, batch: int = 1_000_000) -> None:
        self.batch = batch
        self.held: set[Partition] = set()
        self.away = False
        self.removed: list[Gap] = []
        self._records: dict[Partition, list[ListRecord]] = {}
        self._arrived: list[ListRecord] = []
        self._next: dict[Partition, int] = {}

    def add(
        self,
        value: bytes | None,
        *,
        at_ms: int,
        partition: int = 0,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> ListRecord:
        """Append a record to a lane of the topic `pulse`."""
        lane = self._records.setdefault(Partition("pulse", partition), [])
        record = ListRecord("pulse", partition, len(lane), at_ms, value, headers)
        lane.append(record)
        self._arrived.append(record)
        return record

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None: ...

    async def seek(self, positions: Mapping[Partition, int]) -> None:
        """Go on at these offsets."""
        self._next = dict(positions)

    async def read(self, *, max_records: int, timeout_s: float) -> Sequence[ListRecord]:
        """Return what comes next, in the order of arrival over all lanes; never wait for more."""
        del timeout_s
        await asyncio.sleep(0)
        unread = [
            record
            for record in self._arrived
            if (lane := Partition(record.topic, record.partition)) not in self.held
            and record.offset >= self._next.get(lane, 0)
        ][: min(self.batch, max_records)]
        self._next |= {Partition(r.topic, r.partition): r.offset + 1 for r in unread}
        return unread

    async def ends(self) -> Mapping[Partition, int]:
        """Return the length of each lane; fail while the stream is `away`."""
        if self.away:
            raise StreamError("the stream is away")
        return {partition: len(lane) for partition, lane in self._records.items()}

    async def offsets_at(self, time_ms: int) -> Mapping[Partition, int]:
        """Return for each lane the first offset at or after a log time."""
        return {
            partition: next((r.offset for r in lane if r.timestamp >= time_ms), len(lane))
            for partition, lane in self._records.items()
        }

    def gaps(self) -> Sequence[Gap]:
        """Return, and forget, what was put into `removed`."""
        removed, self.removed = self.removed, []
        return removed
