"""Kafka's Reader: all partitions of its topics, at positions that the caller keeps.

This module must not know what the records mean, nor how consumers come and go (`keeper`).
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Self

import structlog
from aiokafka.errors import (
    ConsumerStoppedError,
    KafkaError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
)

from pulsebot.errors import StreamError
from pulsebot.stream.base import Gap, Partition, Record
from pulsebot.stream.config import KafkaStream
from pulsebot.stream.kafka.connection import client_options
from pulsebot.stream.kafka.consumer import Consumer
from pulsebot.stream.kafka.keeper import Keeper
from pulsebot.stream.kafka.positions import Positions

# A read looks up this often whether its consumer has been replaced.
SLICE_S = 1.0
KEEPER_TURN_S = 0.05

_log = structlog.get_logger(__name__)


class KafkaReader:
    """Reads without a consumer group; see `pulsebot.stream.base.Reader`.

    A topic that is not there yet is read once it is. A topic that was deleted and made again,
    or a partition that lost its end, is read from its beginning; `gaps` tells so (with `asked`
    beyond `earliest`).
    """

    def __init__(self, settings: KafkaStream) -> None:
        client_options(settings)  # says at once what is wrong with the settings
        self._positions = Positions()
        self._keeper = Keeper(settings, self._positions)

    async def __aenter__(self) -> Self:
        await self._keeper.open()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._keeper.close()

    async def seek(self, positions: Mapping[Partition, int]) -> None:
        """Go on at these offsets; a partition that is not named starts at its oldest record."""
        self._positions.ask(positions)
        self._keeper.seek()

    async def read(self, *, max_records: int, timeout_s: float) -> Sequence[Record]:
        """Return the next records, at most `max_records`, in order within each partition.

        Empty when `timeout_s` passes without any. A cancelled call loses nothing.
        """
        clock = asyncio.get_running_loop().time
        deadline = clock() + timeout_s
        while True:
            left = max(0.0, deadline - clock())
            records = await self._fetch(max_records, min(left, SLICE_S))
            if records or clock() >= deadline:
                return records

    async def ends(self) -> Mapping[Partition, int]:
        """Return for each partition the offset that its next record will get.

        Raises StreamError when Kafka does not answer within `request_timeout_s`.
        """
        return await self._keeper.ask(Consumer.ends)

    async def offsets_at(self, time_ms: int) -> Mapping[Partition, int]:
        """Return for each partition the first offset whose log time is at or after `time_ms`.

        A partition with no such record answers its end. Raises StreamError like `ends`.
        """

        async def question(consumer: Consumer) -> Mapping[Partition, int]:
            ends = await consumer.ends()
            return {**ends, **await consumer.offsets_at(time_ms)}

        return await self._keeper.ask(question)

    def gaps(self) -> Sequence[Gap]:
        """Return, and forget, what retention removed before it was read."""
        return self._positions.take_gaps()

    async def _fetch(self, max_records: int, timeout_s: float) -> Sequence[Record]:
        if self._keeper.closed:
            raise StreamError("the reader is closed")
        consumer = self._keeper.consumer
        if consumer is None or not consumer.assigned:
            await self._keeper.wait(timeout_s)
            return ()
        try:
            with self._keeper.reading():
                batches = await consumer.fetch(max_records, timeout_s)
        except OffsetOutOfRangeError as error:
            await self._step_over(consumer, error.args[0])
        except TopicAuthorizationFailedError as error:
            self._leave_out(consumer, str(error.args[0]))
        except (KafkaError, OSError) as error:
            self._keeper.report(consumer, error)
            await asyncio.sleep(KEEPER_TURN_S)
        except ConsumerStoppedError:  # it is being replaced, or the reader closed
            await asyncio.sleep(KEEPER_TURN_S)
        else:
            return self._take(consumer, batches)
        return ()

    def _take(self, consumer: Consumer, batches: Mapping[Any, list[Record]]) -> Sequence[Record]:
        if not batches or consumer is not self._keeper.consumer:
            return ()  # what a replaced consumer returns comes again from the new one
        for lane, records in batches.items():
            self._positions.read_up_to(Partition(*lane), records[-1].offset)
        self._keeper.well()
        return [record for records in batches.values() for record in records]

    async def _step_over(self, consumer: Consumer, lost: Mapping[Any, int]) -> None:
        """Go on at the oldest record where the position is not retained any more."""
        try:
            for lane, asked in lost.items():
                partition = Partition(*lane)
                earliest = await consumer.earliest(partition)
                if consumer is self._keeper.consumer and self._positions.next(partition) == asked:
                    self._positions.moved(partition, earliest)
                    consumer.seek(partition, earliest)
                    _log.warning("offset_lost", partition=partition, asked=asked, now=earliest)
        except (KafkaError, OSError) as error:
            self._keeper.report(consumer, error)

    def _leave_out(self, consumer: Consumer, topic: str) -> None:
        """Read the others; the keeper's next look tries this topic again."""
        _log.error("kafka_refuses_topic", topic=topic, mend="grant our user Read on it")
        if consumer is self._keeper.consumer:
            rest = [partition for partition in consumer.assigned if partition.topic != topic]
            consumer.assign(rest, self._positions.next)
