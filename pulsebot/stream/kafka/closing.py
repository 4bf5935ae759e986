"""Closing aiokafka's clients within a bounded time, whatever state the brokers are in.

aiokafka's own `stop` waits for answers that may never come (a producer flushes for ever while
no broker takes the records) and can break off half-way. What is left is taken apart here; the
underscored names are aiokafka 0.14's and used nowhere else but in `consumer`.
"""

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.client import AIOKafkaClient

PATIENCE_S = 3.0
_STEP_S = 0.05


async def close_consumer(consumer: AIOKafkaConsumer) -> None:
    """Close a consumer, started or not; never raises."""
    # In a task of its own: `stop` passes on the cancellation of its inner tasks as if it were
    # ours, and leaves the connections open then.
    stopping = asyncio.create_task(consumer.stop())
    if not await _ended_well(stopping, PATIENCE_S):
        await _ended_well(asyncio.create_task(consumer._client.close()), PATIENCE_S)  # noqa: SLF001 - see above


async def close_producer(producer: AIOKafkaProducer, *, flush_s: float = PATIENCE_S) -> None:
    """Close a producer, giving it `flush_s` seconds to deliver; never raises.

    What is not delivered by then is dropped (and may have reached Kafka all the same).
    """
    stopping = asyncio.create_task(producer.stop())
    await asyncio.wait([stopping], timeout=flush_s)
    if not stopping.done():
        await _stop_sending(producer)
    await _ended_well(stopping, PATIENCE_S)


async def _stop_sending(producer: AIOKafkaProducer) -> None:
    sending = producer._sender.sender_task  # noqa: SLF001 - see above
    if sending is not None:
        sending.cancel()
        await producer.client.close()  # fails the requests under way
        for _ in range(int(PATIENCE_S / _STEP_S)):
            _end_metadata_wait(producer.client)
            if (await asyncio.wait([sending], timeout=_STEP_S))[0]:
                break
        await _ended_well(sending, _STEP_S)
    accumulator = producer._message_accumulator  # noqa: SLF001 - see above
    batches = [batch for queue in accumulator._batches.values() for batch in queue]  # noqa: SLF001
    for batch in [*batches, *accumulator._pending_batches]:  # noqa: SLF001 - see above
        batch.done_noack()  # ends the flush that `stop` waits for


def _end_metadata_wait(client: AIOKafkaClient) -> None:
    """Wake what waits for metadata that a closed client will not get any more."""
    update = client._md_update_fut  # noqa: SLF001 - see above
    if update is not None and not update.done():
        update.set_result(False)


async def _ended_well(task: asyncio.Task[None], within_s: float) -> bool:
    """Wait for the task, then cancel it; tell whether it ended by itself and without error."""
    await asyncio.wait([task], timeout=within_s)
    if not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=within_s)
        return False
    return not task.cancelled() and task.exception() is None
