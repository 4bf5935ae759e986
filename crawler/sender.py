"""Sends events once, by hand or from a script: to the stream itself, without a spool.

Every event has an id of its own and no sequence, so it counts exactly once however often the
stream is asked to take it; a caller that repeats an event gives it the same id. Two senders
at once share nothing.

This module must not know the command line.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count, islice

from pulsebot.errors import InvalidEvent, StreamError
from pulsebot.event import Event, decode, encode
from pulsebot.phrases import plural
from pulsebot.stream.base import Outgoing, Writer
from pulsebot.stream.config import StreamSettings, Topics
from pulsebot.stream.open import open_writer

BATCH = 500
PAUSE_S = 0.2
CHUNK = 1 << 20


def send(batches: Iterable[Sequence[Event]], stream: StreamSettings, within_s: float) -> int:
    """Append the events and return how many the stream has taken durably.

    Each batch may take `within_s` seconds. Raises StreamError where the stream did not
    confirm a batch in that time; batches before it are sent, later ones are not.
    """
    return asyncio.run(_send(batches, stream, within_s))


def parse_lines(
    read: Callable[[int], bytes], report: Callable[[int, str], None]
) -> Iterator[Sequence[Event]]:
    """Yield the events of newline-delimited CloudEvents, in order, as soon as they have come.

    `read` returns at most so many bytes, waits only while there are none, and returns none at
    the end. Ids, producers and sequences stay as given. `report` gets the number of each
    unusable line and why; empty lines are passed over.
    """
    numbers = count(1)
    for lines in _arriving(read):
        events = _parsed(zip(lines, numbers, strict=False), report)
        while batch := list(islice(events, BATCH)):
            yield batch


def _arriving(read: Callable[[int], bytes]) -> Iterator[Sequence[bytes]]:
    """Yield lines, those together that came together: a live pipe must not wait for more."""
    begun: list[bytes] = []
    while chunk := read(CHUNK):
        first, *others = chunk.split(b"\n")
        begun.append(first)
        if others:
            yield [b"".join(begun), *others[:-1]]
            begun = [others[-1]]
    yield [b"".join(begun)]


def _parsed(
    lines: Iterable[tuple[bytes, int]], report: Callable[[int, str], None]
) -> Iterator[Event]:
    for line, number in lines:
        if not line.strip():
            continue
        try:
            yield decode(line)
        except InvalidEvent as error:
            report(number, str(error))


async def _send(batches: Iterable[Sequence[Event]], stream: StreamSettings, within_s: float) -> int:
    sent = 0
    try:
        async with asyncio.timeout(within_s) as limit, open_writer(stream) as writer:
            now = asyncio.get_running_loop().time
            for batch in batches:  # the time that they take to come is not the stream's
                limit.reschedule(now() + within_s)
                await _append(writer, [_outgoing(event, stream.topics) for event in batch])
                sent += len(batch)
            limit.reschedule(now() + within_s)
    except TimeoutError:
        raise StreamError(
            f"{_where(stream)} did not answer within {within_s:g} s;"
            f" {plural(sent, 'event')} sent before"
        ) from None
    return sent


def _where(stream: StreamSettings) -> str:
    return str(stream.path) if stream.type == "local" else f"Kafka at {', '.join(stream.bootstrap)}"


async def _append(writer: Writer, records: Sequence[Outgoing]) -> None:
    """Append, again and again until the caller's time limit: the ids make that safe."""
    while True:
        try:
            return await writer.append(records)
        except StreamError:
            await asyncio.sleep(PAUSE_S)


def _outgoing(event: Event, topics: Topics) -> Outgoing:
    return Outgoing(topics.name(event.kind.value, event.service), event.service, encode(event))
