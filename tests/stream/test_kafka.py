"""What only Kafka can do to a stream: brokers die, freeze, refuse; topics grow and vanish."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, RecordsToDelete

from pulsebot.errors import InvalidInput, StreamError
from pulsebot.stream.base import Outgoing, Partition, TopicPlan
from pulsebot.stream.config import KafkaStream, Topics
from pulsebot.stream.kafka import KafkaAdmin, KafkaReader, KafkaWriter
from pulsebot.stream.kafka.closing import close_producer
from tests.kafka.broker import KafkaCluster
from tests.kafka.properties import PASSWORD, USER, Keystore
from tests.kafka.provision import External
from tests.patience import PATIENCE_S

Anywhere = KafkaCluster | External


def settings(kafka: Anywhere, *topics: str, **more: object) -> KafkaStream:
    """Return settings for this broker, impatient unless told otherwise."""
    values = {"request_timeout_s": 6, "bootstrap": kafka.bootstrap.split(","), **more}
    return KafkaStream.model_validate(
        {"type": "kafka", "topics": Topics(read=list(topics)), **values}
    )


async def create(kafka: Anywhere, topic: str, *, partitions: int = 1, copies: int = 1) -> None:
    """Create a topic that keeps its records for ever."""
    await KafkaAdmin(settings(kafka)).create([TopicPlan(topic, partitions, copies, -1)])


async def create_anew(kafka: Anywhere, topic: str) -> None:
    """Create a topic whose deletion has begun; Kafka does not say when it is over."""
    plan = TopicPlan(topic, 1, 1, -1)
    async with asyncio.timeout(PATIENCE_S):
        while (await KafkaAdmin(settings(kafka)).create([plan]))[topic] != "created":
            pass


@asynccontextmanager
async def administering(kafka: Anywhere) -> AsyncIterator[AIOKafkaAdminClient]:
    """Yield Kafka's own admin client."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


def numbered(topic: str, *numbers: int) -> list[Outgoing]:
    """Return one record for each number."""
    return [Outgoing(topic, f"svc-{number}", b"%d" % number) for number in numbers]


async def append_until_taken(writer: KafkaWriter, records: Sequence[Outgoing]) -> int:
    """Append as a publisher does, again until it works; return how often that was."""
    for attempt in range(1, 100):
        try:
            await writer.append(records)
        except StreamError:
            continue
        return attempt
    raise AssertionError("Kafka never took the records")


async def collect(reader: KafkaReader, wanted: set[int]) -> list[int]:
    """Read until each wanted number has come; return all that came."""
    got: list[int] = []
    async with asyncio.timeout(PATIENCE_S):
        while not wanted <= set(got):
            records = await reader.read(max_records=500, timeout_s=1)
            got += [int(record.value or b"-1") for record in records]
    return got


async def test_a_killed_and_restarted_broker_costs_nothing(
    kafka_own: KafkaCluster, topic_prefix: str
) -> None:
    """Reader and writer outlive their broker: all is read, once, in order."""
    await create(kafka_own, topic_prefix)
    limits = settings(kafka_own, topic_prefix, stuck_after_s=5)
    async with KafkaReader(limits) as reader, KafkaWriter(limits) as writer:
        await writer.append(numbered(topic_prefix, 1, 2, 3))
        assert await collect(reader, {1, 2, 3}) == [1, 2, 3]
        await asyncio.to_thread(kafka_own.kill, 1)
        assert list(await reader.read(max_records=10, timeout_s=0.5)) == []
        appending = asyncio.create_task(append_until_taken(writer, numbered(topic_prefix, 4)))
        await asyncio.to_thread(kafka_own.restart, 1)
        await appending
        await writer.append(numbered(topic_prefix, 5))
        got = await collect(reader, {4, 5})
        assert got[-1] == 5
        assert set(got) == {4, 5}
        assert list(reader.gaps()) == []


async def test_one_of_three_brokers_may_die(kafka_cluster: KafkaCluster, topic_prefix: str) -> None:
    """With its leader killed a topic is written and read on; all confirmed records come."""
    await create(kafka_cluster, topic_prefix, partitions=3, copies=3)
    limits = settings(kafka_cluster, topic_prefix, request_timeout_s=20)
    async with KafkaReader(limits) as reader, KafkaWriter(limits) as writer:
        await writer.append(numbered(topic_prefix, *range(100)))
        await collect(reader, set(range(100)))
        await asyncio.to_thread(kafka_cluster.kill, 1)
        for first in range(100, 200, 20):
            await append_until_taken(writer, numbered(topic_prefix, *range(first, first + 20)))
        assert set(await collect(reader, set(range(100, 200)))) == set(range(100, 200))


async def test_a_frozen_leader_is_given_up_for_another(
    kafka_cluster: KafkaCluster, topic_prefix: str
) -> None:
    """A broker that answers no more, with its connections open, stops nobody for long."""
    await create(kafka_cluster, topic_prefix, partitions=3, copies=3)
    limits = settings(kafka_cluster, topic_prefix, request_timeout_s=15, stuck_after_s=10)
    async with KafkaReader(limits) as reader, KafkaWriter(limits) as writer:
        await writer.append(numbered(topic_prefix, *range(30)))
        kafka_cluster.freeze(2)
        await append_until_taken(writer, numbered(topic_prefix, *range(30, 60)))
        assert set(await collect(reader, set(range(60)))) == set(range(60))


async def test_a_frozen_broker_is_uncertain_in_time(
    kafka_own: KafkaCluster, topic_prefix: str
) -> None:
    """`append` gives up within its limit; appended again, the records are at most repeated."""
    await create(kafka_own, topic_prefix)
    limits = settings(kafka_own, topic_prefix, request_timeout_s=1.5)
    async with (
        KafkaWriter(limits) as writer,
        KafkaReader(settings(kafka_own, topic_prefix)) as reader,
    ):
        await append_until_taken(writer, numbered(topic_prefix, 1))
        kafka_own.freeze(1)
        with pytest.raises(StreamError, match=r"has not confirmed 1 records in 1\.5 s"):
            await writer.append(numbered(topic_prefix, 2))
        kafka_own.thaw(1)
        await append_until_taken(writer, numbered(topic_prefix, 2))
        await append_until_taken(writer, numbered(topic_prefix, 3))
        got = await collect(reader, {1, 2, 3})
    assert list(dict.fromkeys(got)) == [1, 2, 3]


async def test_closing_does_not_wait_for_a_dead_broker(
    kafka_own: KafkaCluster, topic_prefix: str
) -> None:
    """With records that nobody takes, both sides close before any limit and leave no task."""
    await create(kafka_own, topic_prefix)
    before = asyncio.all_tasks()
    limits = settings(kafka_own, topic_prefix, request_timeout_s=10 * PATIENCE_S)
    async with asyncio.timeout(PATIENCE_S), KafkaReader(limits), KafkaWriter(limits) as writer:
        await writer.append(numbered(topic_prefix, 1))
        await asyncio.to_thread(kafka_own.kill, 1)
        appending = asyncio.create_task(writer.append(numbered(topic_prefix, 2)))
        await asyncio.wait([appending], timeout=1)
        appending.cancel()
        await asyncio.wait([appending])
    await asyncio.sleep(0)
    assert asyncio.all_tasks() - before == set()


async def test_entering_waits_for_the_broker(kafka_own: KafkaCluster, topic_prefix: str) -> None:
    """A reader and a writer may be started before their broker is there."""
    await create(kafka_own, topic_prefix)
    await asyncio.to_thread(kafka_own.kill, 1)
    limits = settings(kafka_own, topic_prefix)

    async def use() -> list[int]:
        async with KafkaReader(limits) as reader, KafkaWriter(limits) as writer:
            await writer.append(numbered(topic_prefix, 1))
            return await collect(reader, {1})

    using = asyncio.create_task(use())
    await asyncio.to_thread(kafka_own.restart, 1)
    assert await asyncio.wait_for(using, PATIENCE_S) == [1]


async def test_waiting_for_a_broker_can_be_cancelled(kafka_own: KafkaCluster) -> None:
    """Shutting down while nothing answers is quick, and leaves no task behind."""
    await asyncio.to_thread(kafka_own.kill, 1)
    before = asyncio.all_tasks()
    for stream in (KafkaReader(settings(kafka_own)), KafkaWriter(settings(kafka_own))):
        entering = asyncio.create_task(stream.__aenter__())
        await asyncio.wait([entering], timeout=0.7)
        assert not entering.done()
        entering.cancel()
        await asyncio.wait([entering], timeout=PATIENCE_S)
        assert entering.cancelled()
    assert asyncio.all_tasks() - before == set()


async def test_a_consumer_that_sits_still_is_replaced(kafka: Anywhere, topic_prefix: str) -> None:
    """When aiokafka stops fetching without a word, records come all the same, once each."""
    await create(kafka, topic_prefix)
    limits = settings(kafka, topic_prefix, stuck_after_s=1)
    async with KafkaReader(limits) as reader, KafkaWriter(limits) as writer:
        await writer.append(numbered(topic_prefix, 1))
        assert await collect(reader, {1}) == [1]
        stuck = reader._keeper.consumer
        assert stuck is not None
        stuck._client._fetcher._fetch_task.cancel()
        await writer.append(numbered(topic_prefix, 2, 3))
        assert sorted(await collect(reader, {2, 3})) == [2, 3]
        assert reader._keeper.consumer is not stuck


async def test_new_partitions_are_read_from_their_beginning(
    kafka: Anywhere, topic_prefix: str
) -> None:
    """A topic that is given more partitions loses none of their records."""
    await create(kafka, topic_prefix)
    limits = settings(kafka, topic_prefix)
    async with KafkaReader(limits) as reader:
        async with administering(kafka) as admin:
            await admin.create_partitions({topic_prefix: NewPartitions(4)})
        async with KafkaWriter(limits) as writer:
            await writer.append(numbered(topic_prefix, *range(100)))
        assert sorted(await collect(reader, set(range(100)))) == list(range(100))
        assert len(await reader.ends()) == 4


async def test_retention_overtakes_an_open_reader(kafka: Anywhere, topic_prefix: str) -> None:
    """Records that are removed before they were read are reported, and reading goes on."""
    await create(kafka, topic_prefix)
    limits = settings(kafka, topic_prefix)
    lane = Partition(topic_prefix, 0)
    async with KafkaReader(limits) as reader, KafkaWriter(limits) as writer:
        await writer.append(numbered(topic_prefix, *range(10)))
        await collect(reader, set(range(10)))
        await reader.seek({lane: 4})
        async with administering(kafka) as admin:
            await admin.delete_records({TopicPartition(*lane): RecordsToDelete(7)})
        await reader.seek({lane: 4})
        assert await collect(reader, {9}) == [7, 8, 9]
        (gap,) = reader.gaps()
        assert (gap.partition, gap.asked, gap.earliest) == (lane, 4, 7)


async def test_a_topic_made_anew_is_read_from_its_beginning(
    kafka: Anywhere, topic_prefix: str
) -> None:
    """Positions beyond the end of a topic lead to its oldest record, not to silence."""
    await create(kafka, topic_prefix)
    limits = settings(kafka, topic_prefix)
    lane = Partition(topic_prefix, 0)
    async with KafkaWriter(limits) as writer:
        await writer.append(numbered(topic_prefix, *range(5)))
        async with administering(kafka) as admin:
            await admin.delete_topics([topic_prefix])
    await create_anew(kafka, topic_prefix)
    async with KafkaReader(limits) as reader, KafkaWriter(limits) as writer:
        await reader.seek({lane: 5})
        await writer.append(numbered(topic_prefix, 7))
        assert await collect(reader, {7}) == [7]
        assert [(gap.asked, gap.earliest) for gap in reader.gaps()] == [(5, 0)]


async def test_a_hole_in_the_sequence_numbers_is_survived(
    kafka: Anywhere, topic_prefix: str
) -> None:
    """Kafka refuses such a producer for good; the writer goes on with a new one."""
    await create(kafka, topic_prefix)
    limits = settings(kafka, topic_prefix)
    async with KafkaReader(limits) as reader, KafkaWriter(limits) as writer:
        await writer.append(numbered(topic_prefix, 1))
        producer = writer._producer
        assert producer is not None
        producer._txn_manager.increment_sequence_number(TopicPartition(topic_prefix, 0), 5)
        await writer.append(numbered(topic_prefix, 2, 3))
        assert writer._producer is not producer
        assert list(dict.fromkeys(await collect(reader, {1, 2, 3}))) == [1, 2, 3]


async def test_transaction_markers_do_not_look_like_lag(kafka: Anywhere, topic_prefix: str) -> None:
    """Committed records of others are read, aborted ones are not, and nothing seems stuck."""
    await create(kafka, topic_prefix)
    limits = settings(kafka, topic_prefix, stuck_after_s=0.5)
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, transactional_id=topic_prefix)
    await producer.start()
    async with KafkaReader(limits) as reader:
        async with producer.transaction():
            await producer.send(topic_prefix, b"1")
        await producer.begin_transaction()
        await producer.send(topic_prefix, b"2")
        await producer.abort_transaction()
        await close_producer(producer)
        first = reader._keeper.consumer
        assert await collect(reader, {1}) == [1]
        assert list(await reader.read(max_records=10, timeout_s=2)) == []
        assert reader._keeper.consumer is first


def login(cluster: KafkaCluster, **more: object) -> KafkaStream:
    """Return settings that log in."""
    return settings(
        cluster,
        "login",
        bootstrap=cluster.login_bootstrap.split(","),
        sasl_mechanism="PLAIN",
        sasl_username=USER,
        **{"sasl_password": PASSWORD, "security_protocol": "SASL_PLAINTEXT", **more},
    )


async def use(limits: KafkaStream) -> None:
    """Create a topic, write to it, read from it."""
    await KafkaAdmin(limits).create([TopicPlan("login", 1, 1, -1)])
    async with KafkaReader(limits) as reader, KafkaWriter(limits) as writer:
        await writer.append(numbered("login", 1))
        assert await collect(reader, {1}) == [1]


async def test_a_login_is_passed_on(kafka_own: KafkaCluster) -> None:
    """SASL settings reach every client; a wrong password opens nothing."""
    await use(login(kafka_own))
    wrong = login(kafka_own, sasl_password="wrong")  # noqa: S106 - that is the point
    with pytest.raises(StreamError, match="does not answer"):
        await KafkaAdmin(wrong).create([TopicPlan("t", 1, 1, -1)])


async def test_tls_is_passed_on(kafka_own: KafkaCluster, tmp_path: Path) -> None:
    """A broker is believed by the given authority's certificate, and only by that."""
    keystore, certificate = await asyncio.to_thread(make_keystore, tmp_path)
    cluster = KafkaCluster(kafka_own._machine, keystore=keystore)
    await asyncio.to_thread(cluster.__enter__)
    try:
        await use(login(cluster, security_protocol="SASL_SSL", ssl_cafile=certificate))
        stranger = login(cluster, security_protocol="SASL_SSL")
        with pytest.raises(StreamError, match="does not answer"):
            await KafkaAdmin(stranger).create([TopicPlan("t", 1, 1, -1)])
    finally:
        cluster.stop()


def make_keystore(folder: Path) -> tuple[Keystore, Path]:
    """Make a key for 127.0.0.1 that vouches for itself; return it and its certificate."""
    key, certificate, store = folder / "key.pem", folder / "cert.pem", folder / "store.p12"
    request = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=broker -addext"
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*request.split(), "subjectAltName=IP:127.0.0.1", *files], check=True)
    bundle = f"openssl pkcs12 -export -in {certificate} -inkey {key} -out {store}"
    subprocess.run([*bundle.split(), "-passout", f"pass:{PASSWORD}"], check=True)
    return Keystore(store, PASSWORD), certificate


async def test_a_certificate_that_cannot_be_read_is_named() -> None:
    """TLS files are tried when the stream is made, and the error tells the settings' names."""
    nowhere = KafkaStream(
        type="kafka", bootstrap=["h:1"], security_protocol="SSL", ssl_cafile="nowhere.pem"
    )
    for made in (KafkaReader, KafkaWriter, KafkaAdmin):
        with pytest.raises(InvalidInput, match="ssl_cafile"):
            made(nowhere)


async def test_a_missing_topic_is_told_with_its_mend(kafka: Anywhere, topic_prefix: str) -> None:
    """Appending to a topic that is not there says how to create it."""
    async with KafkaWriter(settings(kafka, request_timeout_s=3)) as writer:
        with pytest.raises(StreamError, match="pulsebot topics create"):
            await writer.append(numbered(topic_prefix, 1))


async def test_too_large_a_record_is_refused_for_good(kafka: Anywhere, topic_prefix: str) -> None:
    """Trying again would not help, so it is no StreamError; the writer serves on."""
    await create(kafka, topic_prefix)
    limits = settings(kafka, topic_prefix)
    async with KafkaReader(limits) as reader, KafkaWriter(limits) as writer:
        with pytest.raises(InvalidInput, match="2000000 bytes"):
            await writer.append([Outgoing(topic_prefix, "svc-a", b"x" * 2_000_000)])
        await writer.append(numbered(topic_prefix, 1))
        assert await collect(reader, {1}) == [1]


async def test_admin_describes_what_it_leaves_alone(kafka: Anywhere, topic_prefix: str) -> None:
    """An existing topic keeps its shape, and the answer tells it."""
    admin = KafkaAdmin(settings(kafka))
    week_ms = 7 * 86_400_000
    assert await admin.create([TopicPlan(topic_prefix, 2, 1, week_ms)]) == {topic_prefix: "created"}
    assert await admin.create([TopicPlan(topic_prefix, 6, 1, -1)]) == {
        topic_prefix: "exists: 2 partitions, replication 1, retention 7 days"
    }


async def test_admin_passes_on_why_kafka_refuses(kafka: Anywhere, topic_prefix: str) -> None:
    """More copies than brokers is the plan's fault, and the error names the topic."""
    with pytest.raises(InvalidInput, match=f"topic {topic_prefix}: .*replication factor"):
        await KafkaAdmin(settings(kafka)).create([TopicPlan(topic_prefix, 1, 9, -1)])
