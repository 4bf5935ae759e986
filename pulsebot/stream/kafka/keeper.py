"""Keeps a reader's consumer in working order: connects it, finds partitions, replaces it.

A task looks every few seconds for new partitions and for a consumer that is stuck. It alone
replaces consumers, so that there is one at most; `reader` reports a broken one to it.

This module must not read records.
"""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import TypeVar

import structlog
from aiokafka.errors import KafkaError

from pulsebot.errors import InvalidInput, StreamError
from pulsebot.stream.base import Partition
from pulsebot.stream.config import KafkaStream, Topics
from pulsebot.stream.kafka.connection import pauses
from pulsebot.stream.kafka.consumer import Consumer
from pulsebot.stream.kafka.positions import Positions
from pulsebot.stream.kafka.watchdog import Watchdog

CHECK_S = 3.0

T = TypeVar("T")
_log = structlog.get_logger(__name__)


class Keeper:
    """Holds the present consumer; None while it is being replaced, and when closed."""

    def __init__(self, settings: KafkaStream, positions: Positions) -> None:
        self._settings = settings
        self._wanted = _selection(settings.topics)
        self._positions = positions
        self._watchdog = Watchdog(settings.stuck_after_s)
        self._check_s = min(CHECK_S, settings.stuck_after_s / 4)
        self._connected = asyncio.Event()
        self._broken = asyncio.Event()
        self._pauses = pauses()
        self._readers = 0
        self._was_read = False
        self._task: asyncio.Task[None] | None = None
        self.consumer: Consumer | None = None

    @property
    def closed(self) -> bool:
        """Tell whether nothing can be read any more, or yet."""
        return self._task is None

    async def open(self) -> None:
        """Return when there is a consumer, however long that takes."""
        await self._connect()
        self._task = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Release everything within a few seconds."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        consumer, self.consumer = self.consumer, None
        self._connected.set()  # wakes what waits for a consumer, to find all closed
        if consumer is not None:
            await consumer.close()

    async def wait(self, timeout_s: float) -> None:
        """Return when there may be something to read from, or the time is up."""
        if self.consumer is None:
            await _set_within(self._connected, timeout_s)
        else:  # connected, but none of the topics is there yet
            await asyncio.sleep(min(timeout_s, self._check_s / 10))

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Note that somebody waits for records: only then can a consumer be stuck."""
        self._readers += 1
        self._was_read = True
        try:
            yield
        finally:
            self._readers -= 1

    def well(self) -> None:
        """Note that the consumer yields records: the next trouble is a new one."""
        self._pauses = pauses()

    def report(self, consumer: Consumer, error: Exception) -> None:
        """Have the consumer replaced, if it is still the present one."""
        if consumer is self.consumer and not self._broken.is_set():
            _log.warning("kafka_consumer_broken", error=repr(error))
            self._broken.set()

    def seek(self) -> None:
        """Read all partitions again from where the positions say."""
        if self.consumer is not None:
            self.consumer.assign(self.consumer.assigned, self._positions.next)
        self._watchdog.reset()

    async def ask(self, question: Callable[[Consumer], Awaitable[T]]) -> T:
        """Put a question to the present consumer, which first learns of new partitions.

        Raises StreamError when closed, or without an answer within `request_timeout_s`.
        """
        try:
            async with asyncio.timeout(self._settings.request_timeout_s):
                await self._connected.wait()
                if self.consumer is None:
                    raise StreamError("the reader is closed")
                consumer = self.consumer
                await self._assign_found(consumer)
                return await question(consumer)
        except (KafkaError, TimeoutError) as error:
            raise StreamError(f"Kafka does not answer: {error!r}") from error

    async def _keep(self) -> None:
        """Look after the consumer until cancelled."""
        while True:
            await _set_within(self._broken, self._check_s)
            try:
                if self._broken.is_set() or await self._is_stuck():
                    await self._replace()
            except Exception:  # noqa: BLE001 - whatever the client trips over, a new one mends
                _log.exception("kafka_keeper_failed")
                self._broken.set()

    async def _is_stuck(self) -> bool:
        consumer = self.consumer
        if consumer is None:
            return True
        was_read, self._was_read = self._was_read, self._readers > 0
        ends = await self._look(consumer)
        if not was_read:
            self._watchdog.reset()
            return False
        now = asyncio.get_running_loop().time()
        stuck = self._watchdog.stuck(now, await consumer.positions(), ends)
        if stuck:
            _log.warning("kafka_consumer_stuck", partitions=stuck)
        return bool(stuck)

    async def _look(self, consumer: Consumer) -> Mapping[Partition, int] | None:
        """Take in new partitions; return the ends of all, None where Kafka does not tell."""
        try:
            async with asyncio.timeout(self._settings.request_timeout_s):
                await self._assign_found(consumer)
                return await consumer.ends()
        except (KafkaError, OSError) as error:
            _log.warning("kafka_does_not_answer", error=repr(error))
            return None

    async def _replace(self) -> None:
        """Throw the consumer away and start a new one at the same positions."""
        old, self.consumer = self.consumer, None
        self._connected.clear()
        if old is not None:
            await old.close()
        await asyncio.sleep(next(self._pauses))
        await self._connect()

    async def _connect(self) -> None:
        consumer = await Consumer.connect(self._settings)
        try:
            await self._look(consumer)
        except BaseException:
            await consumer.close()
            raise
        self._watchdog.reset()
        self._broken.clear()
        self.consumer = consumer
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


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, that long at the most.

    Not by wait_for: Python 3.11's can lose a cancellation that meets the event.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
