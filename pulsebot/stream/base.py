"""The contract of a stream: partitioned, ordered, retained records that can be read again.

A reader takes all partitions of its topics (there is no consumer group) and starts where it
is told to; who stores the positions is not the stream's business. Both implementations
(`kafka`, `local`) keep to the same contract suite in `tests/stream/test_contract.py`.

This module must not know what the records mean.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self


class Partition(NamedTuple):
    """One ordered lane of a topic."""

    topic: str
    partition: int


class Record(Protocol):
    """One record as read: `timestamp` is its log time in epoch milliseconds.

    Structural, so that a Kafka client's own record serves without being copied.
    """

    @property
    def topic(self) -> str:
        """Name of the topic."""

    @property
    def partition(self) -> int:
        """Number of the lane within the topic."""

    @property
    def offset(self) -> int:
        """Position within the lane; grows, not always by one."""

    @property
    def timestamp(self) -> int:
        """Log time in epoch milliseconds."""

    @property
    def value(self) -> bytes | None:
        """The bytes as written; None is a tombstone."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """Names and values, in order."""


class Preparer(Protocol):
    """Makes something of records where they are read, while whoever wants them is busy."""

    def take(self, records: Sequence[Record]) -> None:
        """Take in the next of them."""

    def made(self) -> bytes:
        """Return what was made of those that were taken in, be it of none or not of all."""


class Prepared(Sequence[Record], ABC):
    """Records that come with what a `Preparer` made of the first so many of them."""

    preparation: bytes

    @abstractmethod
    def last(self) -> Sequence[Record]:
        """Return, in order, some of them: at least the last one of each partition."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record to append; records with one key keep their order.

    `timestamp` in epoch milliseconds is the log time; None lets the stream set it.
    """

    topic: str
    key: str
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp: int | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """Records that retention removed before they were read: [asked, earliest)."""

    partition: Partition
    asked: int
    earliest: int


class Reader(Protocol):
    """Reads all partitions of the topics it was made for, from given positions on.

    An async context manager: entering waits until the stream can be read (with backoff,
    logged, cancellable), leaving releases everything within a few seconds.
    """

    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *exc: object) -> None: ...

    async def seek(self, positions: Mapping[Partition, int]) -> None:
        """Go on at these offsets; a partition that is not named starts at its oldest record.

        Holds also for partitions that appear later. An offset that is no longer retained
        moves to the oldest one that is, and `gaps` tells so.
        """

    async def read(self, *, max_records: int, timeout_s: float) -> Sequence[Record]:
        """Return the next records, at most `max_records`, in order within each partition.

        Returns an empty sequence when `timeout_s` passes without any. A broken connection
        is mended inside (raises StreamError only when closed).
        """

    async def ends(self) -> Mapping[Partition, int]:
        """Return for each partition the offset that its next record will get."""

    async def offsets_at(self, time_ms: int) -> Mapping[Partition, int]:
        """Return for each partition the first offset whose log time is at or after `time_ms`.

        A partition with no such record answers its end.
        """

    def gaps(self) -> Sequence[Gap]:
        """Return, and forget, what retention removed before it was read."""


class Writer(Protocol):
    """Appends records; an async context manager like `Reader`."""

    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *exc: object) -> None: ...

    async def append(self, records: Sequence[Outgoing]) -> None:
        """Append all records and return when the stream has them durably.

        Raises StreamError when that is not certain within the writer's time limit; the
        caller then appends the same records again, and readers recognise a repetition by
        the events' own identity. Raises InvalidInput when the stream will never take one of
        them (it is too large); the others may be in the stream or not.
        """


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """What a topic should be; `retention_ms` -1 keeps records for ever."""

    name: str
    partitions: int
    replication: int
    retention_ms: int


class Admin(Protocol):
    """Creates topics."""

    async def create(self, plans: Sequence[TopicPlan]) -> Mapping[str, str]:
        """Create what is missing; return per topic `created` or what was found instead."""
