"""Kafka's Writer: an idempotent producer that waits for all replicas.

One producer at a time; one that fails, or does not deliver in time, is thrown away, because
what it still holds would only pile up: an idempotent producer of aiokafka retries for ever,
and a hole in its sequence numbers stops it for good (its issue 1017).

This module must not know what the records mean.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from pulsebot.errors import InvalidInput, StreamError
from pulsebot.stream.base import Outgoing
from pulsebot.stream.config import KafkaStream
from pulsebot.stream.kafka.closing import close_producer
from pulsebot.stream.kafka.connection import client_options, pauses, started

# Each partition has one batch under way at a time, so small ones would bound the rate.
BATCH_BYTES = 256 * 1024

# Not structlog: in an app with the SDK nobody sets it up, and it would print to standard output.
_log = logging.getLogger(__name__)


class KafkaWriter:
    """Appends one call after the other; see `pulsebot.stream.base.Writer`.

    The time limit of a call is `request_timeout_s`, waiting for its turn included. A cancelled
    call may still take effect.
    """

    def __init__(self, settings: KafkaStream) -> None:
        self._limit_s = settings.request_timeout_s
        self._options = client_options(settings) | {
            "acks": "all",
            "enable_idempotence": True,
            "max_batch_size": BATCH_BYTES,
        }
        self._producer: AIOKafkaProducer | None = None
        self._open = False
        self._turn = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._producer = await self._connect()
        self._open = True
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._open = False
        producer, self._producer = self._producer, None
        if producer is not None:
            await close_producer(producer)
        if self._closing:
            await asyncio.wait(self._closing)

    async def append(self, records: Sequence[Outgoing]) -> None:
        """Append all records and return when all replicas in sync have them.

        Raises InvalidInput for a record that is larger than Kafka takes; StreamError when it
        is not certain in time that Kafka has them all, or the topic is missing or refused.
        """
        if not self._open:
            raise StreamError("the writer is closed")
        try:
            async with asyncio.timeout(self._limit_s), self._turn:
                await self._deliver(records)
        except TimeoutError as error:
            raise StreamError(
                f"Kafka has not confirmed {len(records)} records in {self._limit_s:g} s"
            ) from error

    async def _deliver(self, records: Sequence[Outgoing]) -> None:
        for pause in pauses():
            if self._producer is None:
                self._producer = await self._connect()
            try:
                await _send(self._producer, records)
            except KafkaError as error:
                self._drop()
                _refuse(error, records)
                _log.warning("the producer is replaced: %r", error)
            except BaseException:
                self._drop()
                raise
            else:
                return
            await asyncio.sleep(pause)

    async def _connect(self) -> AIOKafkaProducer:
        def make() -> AIOKafkaProducer:
            return AIOKafkaProducer(**self._options)

        return await started(make, _drop_producer, self._limit_s)

    def _drop(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            task = asyncio.create_task(_drop_producer(producer))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


async def _drop_producer(producer: AIOKafkaProducer) -> None:
    await close_producer(producer, flush_s=0)


async def _send(producer: AIOKafkaProducer, records: Sequence[Outgoing]) -> None:
    sent: list[asyncio.Future[Any]] = []
    try:
        for record in records:
            future = await producer.send(
                record.topic,
                record.value,
                key=record.key.encode(),
                headers=list(record.headers),
                timestamp_ms=record.timestamp,
            )
            sent.append(future)
        await asyncio.gather(*sent)
    finally:
        for future in sent:
            future.cancel()  # where one failed, nobody asks for the others any more


def _refuse(error: KafkaError, records: Sequence[Outgoing]) -> None:
    """Raise what trying again cannot mend."""
    topics = ", ".join(sorted({record.topic for record in records}))
    match error:
        case MessageSizeTooLargeError() | RecordListTooLargeError():
            largest = max(len(record.value) for record in records)
            raise InvalidInput(
                f"a record of {largest} bytes is larger than topic {topics} takes; "
                "send less, or raise the topic's max.message.bytes"
            ) from error
        case UnknownTopicOrPartitionError():
            raise StreamError(
                f"no such topic among {topics}; create it with `pulsebot topics create`"
            ) from error
        case TopicAuthorizationFailedError():
            raise StreamError(f"Kafka lets our user not write to {topics}") from error
        case _:
            return
