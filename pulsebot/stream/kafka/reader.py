"""Kafka's Reader: all partitions of its topics, at positions that the caller keeps.

A task of its own (`_keep`) looks for new partitions, watches for a consumer that is stuck, and
alone replaces consumers; `read` reports a broken one to it and waits.

This module must not know what the records mean.
"""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Self, TypeVar

import structlog
from aiokafka import ConsumerRecord
from aiokafka.errors import (
    ConsumerStoppedError,
    KafkaError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
)

from pulsebot.errors import InvalidInput, StreamError
from pulsebot.stream.base import Gap, Partition
from pulsebot.stream.config import KafkaStream, Topics
from pulsebot.stream.kafka.connection import client_options, pauses
from pulsebot.stream.kafka.consumer import Consumer
from pulsebot.stream.kafka.positions import Positions
from pulsebot.stream.kafka.watchdog import Watchdog

CHECK_S = 3.0
# A read looks up this often whether its consumer has been replaced.
SLICE_S = 1.0

T = TypeVar("T")
_log = structlog.get_logger(__name__)


class KafkaReader:
    """Reads without a consumer group; see `pulsebot.stream.base.Reader`.

    A topic that is not there yet is read once it is. A topic that was deleted and made again,
    or a partition that lost its end, is read from its beginning; `gaps` tells so (with `asked`
    beyond `earliest`).
    """

    def __init__(self, settings: KafkaStream) -> None:
        client_options(settings)  # says at once what is wrong with the settings
        self._settings = settings
        self._wanted = _selection(settings.topics)
        self._positions = Positions()
        self._watchdog = Watchdog(settings.stuck_after_s)
        self._consumer: Consumer | None = None
        self._connected = asyncio.Event()
        self._broken = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._pauses = pauses()
        self._was_read = False

    async def __aenter__(self) -> Self:
        await self._connect()
        self._keeper = asyncio.create_task(self._keep())
        return self

    async def __aexit__(self, *exc: object) -> None:
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.wait([keeper])
        consumer, self._consumer = self._consumer, None
        self._connected.set()  # wakes a read that waits, to find the reader closed
        if consumer is not None:
            await consumer.close()

    async def seek(self, positions: Mapping[Partition, int]) -> None:
        """Go on at these offsets; a partition that is not named starts at its oldest record."""
        self._positions.ask(positions)
        if self._consumer is not None:
            self._consumer.assign(self._consumer.assigned, self._positions.next)
        self._watchdog.reset()

    async def read(
        self, *, max_records: int, timeout_s: float
    ) -> Sequence[ConsumerRecord[bytes, bytes]]:
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
        return await self._ask(Consumer.ends)

    async def offsets_at(self, time_ms: int) -> Mapping[Partition, int]:
        """Return for each partition the first offset whose log time is at or after `time_ms`.

        A partition with no such record answers its end. Raises StreamError like `ends`.
        """

        async def question(consumer: Consumer) -> Mapping[Partition, int]:
            ends = await consumer.ends()
            return {**ends, **await consumer.offsets_at(time_ms)}

        return await self._ask(question)

    def gaps(self) -> Sequence[Gap]:
        """Return, and forget, what retention removed before it was read."""
        return self._positions.take_gaps()

    async def _ask(self, question: Callable[[Consumer], Awaitable[T]]) -> T:
        """Put a question to the present consumer, which first learns of new partitions."""
        try:
            async with asyncio.timeout(self._settings.request_timeout_s):
                await self._connected.wait()
                consumer = self._consumer
                if consumer is None:
                    raise StreamError("the reader is closed")
                await self._assign_found(consumer)
                return await question(consumer)
        except (KafkaError, TimeoutError) as error:
            raise StreamError(f"Kafka does not answer: {error!r}") from error

    async def _fetch(
        self, max_records: int, timeout_s: float
    ) -> Sequence[ConsumerRecord[bytes, bytes]]:
        if self._keeper is None:
            raise StreamError("the reader is closed")
        consumer = self._consumer
        if consumer is None or not consumer.assigned:
            await self._wait_for_partitions(timeout_s)
            return ()
        self._was_read = True
        try:
            batches = await consumer.fetch(max_records, timeout_s)
        except OffsetOutOfRangeError as error:
            await self._step_over(consumer, error.args[0])
        except TopicAuthorizationFailedError as error:
            self._leave_out(consumer, str(error.args[0]))
        except (KafkaError, OSError) as error:
            self._report(consumer, error)
        except ConsumerStoppedError:
            pass  # the keeper replaces it, or the reader is closed
        else:
            # What a consumer that was replaced meanwhile returns comes again from the new one.
            return self._take(batches) if consumer is self._consumer else ()
        return ()

    async def _wait_for_partitions(self, timeout_s: float) -> None:
        if self._consumer is None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._connected.wait(), timeout_s)
        else:  # connected, but none of the topics is there yet: the keeper looks for them
            await asyncio.sleep(min(timeout_s, CHECK_S / 10))

    def _take(
        self, batches: Mapping[Any, list[ConsumerRecord[bytes, bytes]]]
    ) -> Sequence[ConsumerRecord[bytes, bytes]]:
        for lane, records in batches.items():
            self._positions.read_up_to(Partition(*lane), records[-1].offset)
        if batches:
            self._pauses = pauses()
        return [record for records in batches.values() for record in records]

    async def _step_over(self, consumer: Consumer, lost: Mapping[Any, int]) -> None:
        """Go on at the oldest record where the position is not retained any more."""
        try:
            for lane, asked in lost.items():
                partition = Partition(*lane)
                earliest = await consumer.earliest(partition)
                if consumer is self._consumer and self._positions.next(partition) == asked:
                    self._positions.moved(partition, earliest)
                    consumer.seek(partition, earliest)
                    _log.warning("offset_lost", partition=partition, asked=asked, now=earliest)
        except (KafkaError, OSError) as error:
            self._report(consumer, error)

    def _leave_out(self, consumer: Consumer, topic: str) -> None:
        """Read the others; the keeper's next look tries this topic again."""
        _log.error("kafka_refuses_topic", topic=topic, mend="grant Read on it to our user")
        if consumer is self._consumer:
            rest = [partition for partition in consumer.assigned if partition.topic != topic]
            consumer.assign(rest, self._positions.next)

    def _report(self, consumer: Consumer, error: Exception) -> None:
        if consumer is self._consumer and not self._broken.is_set():
            _log.warning("kafka_consumer_broken", error=repr(error))
            self._broken.set()

    async def _keep(self) -> None:
        """Look after the consumer until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._broken.wait(), self._check_s)
            try:
                if self._broken.is_set() or await self._is_stuck():
                    await self._replace()
            except Exception:  # noqa: BLE001 - whatever the client trips over, a new one mends
                _log.exception("kafka_keeper_failed")
                self._broken.set()

    @property
    def _check_s(self) -> float:
        return min(CHECK_S, self._settings.stuck_after_s / 4)

    async def _is_stuck(self) -> bool:
        consumer = self._consumer
        if consumer is None:
            return True
        was_read, self._was_read = self._was_read, False
        ends: Mapping[Partition, int] | None = None
        try:
            async with asyncio.timeout(self._settings.request_timeout_s):
                await self._assign_found(consumer)
                ends = await consumer.ends()
        except (KafkaError, OSError) as error:
            _log.warning("kafka_does_not_answer", error=repr(error))
        if not was_read:  # what nobody reads cannot move
            self._watchdog.reset()
            return False
        now = asyncio.get_running_loop().time()
        stuck = self._watchdog.stuck(now, await consumer.positions(), ends)
        if stuck:
            _log.warning("kafka_consumer_stuck", partitions=stuck)
        return bool(stuck)

    async def _replace(self) -> None:
        """Throw the consumer away and start a new one at the same positions."""
        old, self._consumer = self._consumer, None
        self._connected.clear()
        if old is not None:
            await old.close()
        await asyncio.sleep(next(self._pauses))
        await self._connect()

    async def _connect(self) -> None:
        consumer = await Consumer.connect(self._settings)
        try:
            await self._assign_found(consumer)
        except (KafkaError, OSError) as error:  # the keeper will look again
            _log.warning("kafka_does_not_answer", error=repr(error))
        except BaseException:
            await consumer.close()
            raise
        self._watchdog.reset()
        self._broken.clear()
        self._consumer = consumer
        self._connected.set()

    async def _assign_found(self, consumer: Consumer) -> None:
        """Read all partitions there are now, new ones from where they were asked for."""
        found = await consumer.partitions(self._wanted)
        if found != consumer.assigned:
            _log.info("kafka_partitions", count=len(found))
            consumer.assign(found, self._positions.next)


def _selection(topics: Topics) -> Callable[[str], bool]:
    if topics.pattern is None:
        return frozenset(topics.to_read()).__contains__
    try:
        pattern = re.compile(topics.pattern)
    except re.error as error:
        raise InvalidInput(
            f"stream.topics.pattern {topics.pattern!r}: {error}; give a regular expression"
        ) from error
    return lambda name: pattern.fullmatch(name) is not None
