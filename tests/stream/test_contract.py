"""What every stream promises: one suite, run against each implementation.

A new implementation adds a `Lab` to the fixture `lab`; nothing below needs to know which one it is.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from pulsebot.errors import StreamError
from pulsebot.stream.apart.reader import ReaderApart
from pulsebot.stream.base import Outgoing, Partition, Reader, Record, TopicPlan, Writer
from pulsebot.stream.config import KafkaStream, LocalStream, StreamSettings, Topics
from pulsebot.stream.open import open_admin, open_reader, open_writer
from tests.patience import PATIENCE_S
from tests.stream.preparing import Counter

DAY_MS = 86_400_000


@dataclass
class Lab:
    """One stream to experiment with.

    `settings` makes the settings of a reader or writer; `expire` lets retention remove all
    records of a partition before an offset (the suite has given those an old log time).
    """

    settings: Callable[[Topics], StreamSettings]
    expire: Callable[[Partition, int], Awaitable[None]]
    reader: Callable[[StreamSettings], Reader] = open_reader


def local_lab(folder: Path) -> Lab:
    """Return the embedded log in a file of its own."""

    def settings(topics: Topics) -> StreamSettings:
        return LocalStream(path=folder / "log.db", topics=topics)

    async def expire(_partition: Partition, _before: int) -> None:
        async with open_writer(settings(Topics())):
            pass  # a writer removes what is too old as it opens the log

    return Lab(settings, expire)


def kafka_lab(bootstrap: str) -> Lab:
    """Return the lab of the shared broker, whose topics have names of their own."""

    def settings(topics: Topics) -> StreamSettings:
        return KafkaStream(type="kafka", bootstrap=bootstrap.split(","), topics=topics)

    async def expire(partition: Partition, before: int) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        try:
            await admin.delete_records({TopicPartition(*partition): RecordsToDelete(before)})
        finally:
            await admin.close()

    return Lab(settings, expire)


def apart_lab(folder: Path) -> Lab:
    """Return the embedded log, read in a process of its own."""

    def reader(settings: StreamSettings) -> Reader:
        return ReaderApart(partial(open_reader, settings), Counter)

    return replace(local_lab(folder), reader=reader)


@pytest.fixture(params=["local", "apart", pytest.param("kafka", marks=pytest.mark.kafka)])
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Lab:
    """Return each stream in turn."""
    if request.param == "local":
        return local_lab(tmp_path)
    if request.param == "apart":
        return apart_lab(tmp_path)
    return kafka_lab(request.getfixturevalue("kafka").bootstrap)


@pytest.fixture
async def topic(lab: Lab) -> str:
    """Return the name of a new topic with one partition."""
    return await new_topic(lab, f"t-{uuid4().hex}")


async def new_topic(lab: Lab, name: str, partitions: int = 1) -> str:
    """Create a topic and return its name."""
    plan = TopicPlan(name, partitions, 1, -1)
    await open_admin(lab.settings(Topics())).create([plan])
    return name


def reading(lab: Lab, *topics: str) -> Reader:
    """Return a reader of these topics."""
    return lab.reader(lab.settings(Topics(read=list(topics))))


def writing(lab: Lab) -> Writer:
    """Return a writer."""
    return open_writer(lab.settings(Topics()))


def numbered(topic: str, numbers: Iterable[int], **more: int) -> list[Outgoing]:
    """Return one record for each number."""
    return [Outgoing(topic, "svc-a", str(n).encode(), **more) for n in numbers]


def numbers(records: Sequence[Record]) -> list[int]:
    """Return the numbers that `numbered` wrote."""
    return [int(record.value or b"-1") for record in records]


async def collect(reader: Reader, count: int) -> list[Record]:
    """Read until there are `count` records; fail when they do not come."""
    records: list[Record] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(records) < count:
            records += await reader.read(max_records=count - len(records), timeout_s=1)
    return records


async def test_what_is_appended_is_read_in_order(lab: Lab, topic: str) -> None:
    """Records come back whole and in order, with offsets that grow."""
    async with writing(lab) as writer, reading(lab, topic) as reader:
        await writer.append(numbered(topic, range(50)))
        await writer.append(numbered(topic, range(50, 100)))
        records = await collect(reader, 100)
    assert numbers(records) == list(range(100))
    offsets = [record.offset for record in records]
    assert offsets == sorted(set(offsets))
    assert {(record.topic, record.partition) for record in records} == {(topic, 0)}


async def test_records_with_one_key_keep_their_order(lab: Lab) -> None:
    """However many partitions there are, what has one key is in one of them, in order."""
    topic = await new_topic(lab, f"t-{uuid4().hex}", partitions=3)
    sent = [Outgoing(topic, f"svc-{n % 5}", str(n).encode()) for n in range(100)]
    async with writing(lab) as writer, reading(lab, topic) as reader:
        await writer.append(sent)
        records = await collect(reader, 100)
    lanes: dict[int, list[tuple[int, int]]] = {}
    for record, number in zip(records, numbers(records), strict=True):
        lanes.setdefault(record.partition, []).append((record.offset, number))
    assert all(lane == sorted(lane) for lane in lanes.values())
    for key in range(5):
        ours = [n for n in numbers(records) if n % 5 == key]
        assert ours == sorted(ours)
        assert sum(any(n % 5 == key for _, n in lane) for lane in lanes.values()) == 1


async def test_several_writers_lose_nothing(lab: Lab, topic: str) -> None:
    """Writers that append at the same time each keep their order, and nothing is missing."""
    async with writing(lab) as one, writing(lab) as two, reading(lab, topic) as reader:
        for n in range(0, 100, 10):
            await asyncio.gather(
                one.append(numbered(topic, range(n, n + 10))),
                two.append(numbered(topic, range(1000 + n, 1010 + n))),
            )
        got = numbers(await collect(reader, 200))
    assert [n for n in got if n < 1000] == list(range(100))
    assert [n for n in got if n >= 1000] == list(range(1000, 1100))


async def test_read_returns_no_more_than_asked(lab: Lab, topic: str) -> None:
    """`max_records` is a bound, and the rest comes with the next read."""
    async with writing(lab) as writer, reading(lab, topic) as reader:
        await writer.append(numbered(topic, range(10)))
        first = await reader.read(max_records=4, timeout_s=PATIENCE_S)
        assert 1 <= len(first) <= 4
        rest = await collect(reader, 10 - len(first))
    assert numbers([*first, *rest]) == list(range(10))


async def test_read_is_empty_when_time_is_up(lab: Lab, topic: str) -> None:
    """A read of a quiet stream waits for its timeout and returns nothing."""
    async with reading(lab, topic) as reader:
        started = time.monotonic()
        assert list(await reader.read(max_records=10, timeout_s=0.2)) == []
        assert time.monotonic() - started >= 0.2


async def test_a_waiting_read_gets_what_is_appended(lab: Lab, topic: str) -> None:
    """A read that waits returns as soon as there is something."""
    async with writing(lab) as writer, reading(lab, topic) as reader:
        waiting = asyncio.create_task(collect(reader, 1))
        await asyncio.sleep(0)
        await writer.append(numbered(topic, [7]))
        assert numbers(await waiting) == [7]


async def test_headers_and_log_time_are_kept(lab: Lab, topic: str) -> None:
    """Headers keep order, repetition and bytes; a given log time is kept to the millisecond."""
    headers = (("ce_id", b"1"), ("x", b"\xff\x00"), ("ce_id", b""))
    stamp = time.time_ns() // 1_000_000 - 5_000
    async with writing(lab) as writer, reading(lab, topic) as reader:
        await writer.append([Outgoing(topic, "svc-a", b"v", headers, stamp)])
        (record,) = await collect(reader, 1)
    assert tuple(record.headers) == headers
    assert record.timestamp == stamp


async def test_log_time_is_set_by_the_stream(lab: Lab, topic: str) -> None:
    """A record without a log time gets that of its append."""
    before = time.time_ns() // 1_000_000
    async with writing(lab) as writer, reading(lab, topic) as reader:
        await writer.append(numbered(topic, [1]))
        (record,) = await collect(reader, 1)
    assert before <= record.timestamp <= time.time_ns() // 1_000_000
    assert list(record.headers) == []


async def test_large_values_come_through(lab: Lab, topic: str) -> None:
    """Values of 900 KB come back byte for byte."""
    values = [bytes([n]) * 900_000 for n in range(30)]
    async with writing(lab) as writer, reading(lab, topic) as reader:
        for value in values:
            await writer.append([Outgoing(topic, "svc-a", value)])
        records = await collect(reader, 30)
    assert [record.value for record in records] == values


async def test_positions_resume_exactly(lab: Lab, topic: str) -> None:
    """A reader that seeks to the offset after the last record sees the very next one."""
    async with writing(lab) as writer:
        await writer.append(numbered(topic, range(20)))
    async with reading(lab, topic) as reader:
        last = (await collect(reader, 7))[-1]
    async with reading(lab, topic) as reader:
        await reader.seek({Partition(topic, last.partition): last.offset + 1})
        assert numbers(await collect(reader, 13)) == list(range(7, 20))
        assert list(reader.gaps()) == []


async def test_seek_goes_back(lab: Lab, topic: str) -> None:
    """The same records can be read again, any number of times."""
    async with writing(lab) as writer, reading(lab, topic) as reader:
        await writer.append(numbered(topic, range(10)))
        first = await collect(reader, 10)
        await reader.seek({Partition(topic, 0): first[4].offset})
        assert numbers(await collect(reader, 6)) == [4, 5, 6, 7, 8, 9]
        await reader.seek({})
        assert numbers(await collect(reader, 10)) == list(range(10))


async def test_seek_to_the_end_waits_for_what_is_new(lab: Lab, topic: str) -> None:
    """At `ends` there is nothing to read until something is appended."""
    async with writing(lab) as writer, reading(lab, topic) as reader:
        await writer.append(numbered(topic, range(5)))
        await reader.seek(await reader.ends())
        assert list(await reader.read(max_records=5, timeout_s=0.1)) == []
        await writer.append(numbered(topic, [5]))
        assert numbers(await collect(reader, 1)) == [5]


async def test_partitions_have_positions_of_their_own(lab: Lab, topic: str) -> None:
    """Seeking one topic leaves another at its oldest record."""
    other = await new_topic(lab, f"{topic}-b")
    async with writing(lab) as writer, reading(lab, topic, other) as reader:
        await writer.append(numbered(topic, range(3)))
        await writer.append(numbered(other, range(10, 13)))
        await writer.append(numbered(topic, range(3, 6)))
        ends = await reader.ends()
        await reader.seek({Partition(topic, 0): ends[Partition(topic, 0)] - 1})
        assert sorted(numbers(await collect(reader, 4))) == [5, 10, 11, 12]


async def test_ends_are_the_next_offsets(lab: Lab, topic: str) -> None:
    """`ends` names each partition, and grows with what is appended."""
    partition = Partition(topic, 0)
    async with writing(lab) as writer, reading(lab, topic) as reader:
        assert await reader.ends() == {partition: 0}
        await writer.append(numbered(topic, range(3)))
        end = (await reader.ends())[partition]
        assert end > (await collect(reader, 3))[-1].offset
        await writer.append(numbered(topic, [3]))
        assert (await collect(reader, 1))[0].offset == end


async def test_offsets_at_a_time(lab: Lab, topic: str) -> None:
    """A time leads to the first record at or after it, a later one than all to the end."""
    partition = Partition(topic, 0)
    base = time.time_ns() // 1_000_000 - 60_000
    async with writing(lab) as writer, reading(lab, topic) as reader:
        for n in range(5):
            await writer.append(numbered(topic, [n], timestamp=base + n * 1000))
        exact = await reader.offsets_at(base + 2000)
        between = await reader.offsets_at(base + 2001)
        await reader.seek(exact)
        assert numbers(await collect(reader, 3)) == [2, 3, 4]
        await reader.seek(between)
        assert numbers(await collect(reader, 2)) == [3, 4]
        await reader.seek(await reader.offsets_at(base - 1000))
        assert numbers(await collect(reader, 5)) == [0, 1, 2, 3, 4]
        assert (await reader.offsets_at(base + 99_000)) == {
            partition: (await reader.ends())[partition]
        }


async def test_retention_leaves_a_gap_that_is_told(lab: Lab, topic: str) -> None:
    """A position that is no longer retained moves to the oldest record, and `gaps` says so."""
    partition = Partition(topic, 0)
    now = time.time_ns() // 1_000_000
    async with writing(lab) as writer:
        await writer.append(numbered(topic, range(5), timestamp=now - 30 * DAY_MS))
        await writer.append(numbered(topic, range(5, 8), timestamp=now))
    await lab.expire(partition, 5)
    async with reading(lab, topic) as reader:
        await reader.seek({partition: 2})
        assert numbers(await collect(reader, 3)) == [5, 6, 7]
        (gap,) = reader.gaps()
        assert (gap.partition, gap.asked, gap.earliest) == (partition, 2, 5)
        assert list(reader.gaps()) == []


async def test_an_unnamed_partition_starts_after_what_is_gone(lab: Lab, topic: str) -> None:
    """Where no position was asked, what retention took before is no gap."""
    now = time.time_ns() // 1_000_000
    async with writing(lab) as writer:
        await writer.append(numbered(topic, range(5), timestamp=now - 30 * DAY_MS))
        await writer.append(numbered(topic, [5], timestamp=now))
    await lab.expire(Partition(topic, 0), 5)
    async with reading(lab, topic) as reader:
        (record,) = await collect(reader, 1)
        assert (record.offset, numbers([record])) == (5, [5])
        assert list(reader.gaps()) == []


async def test_a_pattern_takes_in_topics_that_appear_later(lab: Lab) -> None:
    """A topic that is created while reading is read from its oldest record on."""
    stem = f"t-{uuid4().hex}"
    await new_topic(lab, f"{stem}.a")
    await new_topic(lab, f"other-{stem}.a")
    settings = lab.settings(Topics(pattern=rf"{stem}\..*"))
    async with writing(lab) as writer, lab.reader(settings) as reader:
        await writer.append(numbered(f"other-{stem}.a", [99]))
        await writer.append(numbered(f"{stem}.a", [1]))
        assert numbers(await collect(reader, 1)) == [1]
        await new_topic(lab, f"{stem}.b")
        await writer.append(numbered(f"{stem}.b", [2, 3]))
        assert numbers(await collect(reader, 2)) == [2, 3]


async def test_a_seek_holds_for_topics_that_appear_later(lab: Lab) -> None:
    """A position asked for a topic that is not there yet is taken once it is."""
    stem = f"t-{uuid4().hex}"
    await new_topic(lab, f"{stem}.a")
    settings = lab.settings(Topics(pattern=rf"{stem}\..*"))
    async with writing(lab) as writer, lab.reader(settings) as reader:
        await reader.seek({Partition(f"{stem}.b", 0): 2})
        await writer.append(numbered(f"{stem}.a", [1]))
        assert numbers(await collect(reader, 1)) == [1]
        await new_topic(lab, f"{stem}.b")
        await writer.append(numbered(f"{stem}.b", range(10, 14)))
        assert numbers(await collect(reader, 2)) == [12, 13]


async def test_a_cancelled_read_loses_nothing(lab: Lab, topic: str) -> None:
    """However often a read is cancelled, each record is returned exactly once, in order."""
    async with writing(lab) as writer, reading(lab, topic) as reader:
        await writer.append(numbered(topic, range(300)))
        got: list[Record] = []
        wait_s = 0.0
        async with asyncio.timeout(PATIENCE_S):
            while len(got) < 300:
                wait_s = (wait_s + 0.0003) % 0.02
                read = asyncio.create_task(reader.read(max_records=10, timeout_s=1))
                await asyncio.wait([read], timeout=wait_s)
                read.cancel()
                (result,) = await asyncio.gather(read, return_exceptions=True)
                if not isinstance(result, BaseException):
                    got += result
        assert numbers(got) == list(range(300))


async def test_closing_is_quick_while_a_read_waits(lab: Lab, topic: str) -> None:
    """Leaving the reader ends a waiting read with StreamError or nothing, within seconds."""
    async with asyncio.timeout(PATIENCE_S):
        async with reading(lab, topic) as reader:
            waiting = asyncio.create_task(reader.read(max_records=1, timeout_s=10 * PATIENCE_S))
            await asyncio.wait([waiting], timeout=0.1)
        (result,) = await asyncio.gather(waiting, return_exceptions=True)
    assert isinstance(result, StreamError) or list(result) == []


async def test_a_closed_stream_refuses(lab: Lab, topic: str) -> None:
    """After closing, reading and appending raise StreamError."""
    async with writing(lab) as writer, reading(lab, topic) as reader:
        pass
    with pytest.raises(StreamError):
        await reader.read(max_records=1, timeout_s=0)
    with pytest.raises(StreamError):
        await writer.append(numbered(topic, [1]))


async def test_admin_tells_what_it_found(lab: Lab) -> None:
    """Creating a topic twice says `created`, then what is there."""
    plan = TopicPlan(f"t-{uuid4().hex}", 1, 1, -1)
    admin = open_admin(lab.settings(Topics()))
    assert await admin.create([plan]) == {plan.name: "created"}
    again = await admin.create([plan])
    assert again[plan.name] != "created"
