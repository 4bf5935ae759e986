"""Kafka's records as they come out of aiokafka: six fields, and cheap to make.

aiokafka makes an object of eleven fields and a dict for every record, a third of all that reading
one costs. The underscored name is aiokafka 0.14's; were it another one day, its own records
would come instead, which do as well.
"""

from typing import Any

from aiokafka.consumer import fetcher
from msgspec import Struct


class KafkaRecord(Struct, frozen=True, gc=False):
    """One record; see `pulsebot.stream.base.Record`."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class _LeanRecords(fetcher.PartitionRecords):  # type: ignore[misc]  # aiokafka has no types
    def _consumer_record(self, tp: Any, record: Any) -> KafkaRecord:  # noqa: ANN401 - as above
        topic, partition = tp
        # An empty tuple costs nothing; as many empty lists keep the garbage collector busy.
        headers = tuple(record.headers)
        return KafkaRecord(topic, partition, record.offset, record.timestamp, record.value, headers)


def yield_lean_records() -> None:
    """Have the consumers of this process yield `KafkaRecord`s; may be called again."""
    fetcher.PartitionRecords = _LeanRecords
