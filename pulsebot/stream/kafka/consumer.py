"""One aiokafka consumer, from its start to its end: assigned by hand, in no group.

`reader` may throw it away at any time and start the next one; nothing worth keeping is here.
This module must not decide where to read.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition

from pulsebot.stream.base import Partition, Record
from pulsebot.stream.config import KafkaStream
from pulsebot.stream.kafka.closing import close_consumer
from pulsebot.stream.kafka.connection import client_options, started
from pulsebot.stream.kafka.record import yield_lean_records

FETCH_WAIT_MS = 100
"""How long a broker holds back the answer to a fetch while it has no records.

It answers one request of a connection after the other: partitions that have records again, and
questions for ends, wait behind such a fetch.
"""

FETCH_BYTES = 2_000_000
"""About what a broker answers to one fetch: a batch of ours, held in memory several times.

It may be all of one partition: the more of a service comes at once, the fewer rows are written.
The client's own limits are 52 MB, and 1 MB of a partition. A larger record comes alone.
"""


class Consumer:
    """Reads the partitions that it is assigned; every method may raise aiokafka's KafkaError."""

    def __init__(self, client: AIOKafkaConsumer) -> None:
        self._client = client

    @classmethod
    async def connect(cls, settings: KafkaStream) -> Self:
        """Return a consumer that is connected, however long that takes."""
        yield_lean_records()
        options = client_options(settings) | {
            "enable_auto_commit": False,
            # A position that is gone shall be told, not silently replaced.
            "auto_offset_reset": "none",
            "isolation_level": "read_committed",
            "fetch_max_wait_ms": FETCH_WAIT_MS,
            "fetch_max_bytes": FETCH_BYTES,
            "max_partition_fetch_bytes": FETCH_BYTES,
        }

        def make() -> AIOKafkaConsumer:
            return AIOKafkaConsumer(**options)

        return cls(await started(make, close_consumer, settings.request_timeout_s))

    async def close(self) -> None:
        """Release everything within a few seconds."""
        await close_consumer(self._client)

    async def partitions(self, wanted: Callable[[str], bool]) -> frozenset[Partition]:
        """Return all partitions of the topics that are wanted, as the cluster has them now."""
        # Of all topics at once: to ask for a topic by name may create it.
        cluster = await self._client._client.fetch_all_metadata()  # noqa: SLF001 - no public way
        topics = filter(wanted, cluster.topics())
        return frozenset(
            Partition(topic, number)
            for topic in topics
            for number in cluster.partitions_for_topic(topic) or ()
        )

    @property
    def assigned(self) -> frozenset[Partition]:
        """Return what is being read."""
        return frozenset(Partition(*lane) for lane in self._client.assignment())

    def assign(self, partitions: Iterable[Partition], position: Callable[[Partition], int]) -> None:
        """Read exactly these partitions, each from its position on."""
        lanes = [TopicPartition(*partition) for partition in partitions]
        self._client.assign(lanes)
        for lane in lanes:
            self._client.seek(lane, position(Partition(*lane)))

    def seek(self, partition: Partition, offset: int) -> None:
        """Go on at this offset; what was fetched ahead is forgotten."""
        self._client.seek(TopicPartition(*partition), offset)

    async def fetch(self, max_records: int, timeout_s: float) -> Mapping[Any, list[Record]]:
        """Return the next records by partition, in order; none when the time is up."""
        batches: Mapping[Any, list[Record]] = await self._client.getmany(
            timeout_ms=int(timeout_s * 1000), max_records=max_records
        )
        return batches

    async def positions(self) -> Mapping[Partition, int]:
        """Return where each partition is: beyond the last record read, and markers after it."""
        return {
            partition: await self._client.position(TopicPartition(*partition))
            for partition in self.assigned
        }

    async def earliest(self, partition: Partition) -> int:
        """Return the oldest offset that is retained."""
        lane = TopicPartition(*partition)
        return int((await self._client.beginning_offsets([lane]))[lane])

    async def ends(self) -> Mapping[Partition, int]:
        """Return the next offset of each assigned partition."""
        lanes = self._client.assignment()
        ends = await self._client.end_offsets(lanes) if lanes else {}
        return {Partition(*lane): offset for lane, offset in ends.items()}

    async def offsets_at(self, time_ms: int) -> Mapping[Partition, int]:
        """Return the first offset at or after the time, for those partitions that have one."""
        lanes = self._client.assignment()
        found = await self._client.offsets_for_times(dict.fromkeys(lanes, time_ms)) if lanes else {}
        return {Partition(*lane): at.offset for lane, at in found.items() if at is not None}
