"""The machinery that gives the tests a real Kafka, and its honesty where there is none."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.kafka import jars, provision
from tests.kafka.broker import KafkaCluster
from tests.kafka.machine import Docker, Java
from tests.kafka.node import BrokerError, Node, PortTaken
from tests.kafka.ports import free_ports
from tests.kafka.properties import Ports, server_properties
from tests.kafka.provision import External
from tests.patience import PATIENCE_S

PROJECT = Path(__file__).parents[2]
STAND_IN = """\
#!{python}
import os, pathlib, sys
verb, *rest = sys.argv[1:]
here = pathlib.Path(__file__).parent
if verb == "run":
    name = next(word for word in rest if word.startswith("--name=")).partition("=")[2]
    (here / name).write_text(str(os.getpid()))
    at = rest.index("--entrypoint=java") + 2
    inside = ["{jars}/*" if word == "/opt/kafka/libs/*" else word for word in rest[at:]]
    os.execv("{java}", ["java", *inside])
if verb == "kill":
    os.execvp("kill", ["kill", rest[0].replace("--signal=", "-"), (here / rest[1]).read_text()])
"""


async def create_topic(bootstrap: str, topic: str, replication: int) -> None:
    """Create a topic of one partition."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 1, replication)])
    finally:
        await admin.close()


async def read_all(bootstrap: str, topic: str) -> list[bytes]:
    """Read what partition 0 of the topic holds now."""
    lane = TopicPartition(topic, 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([lane])
        end = (await consumer.end_offsets([lane]))[lane]
        values: list[bytes] = []
        while await consumer.position(lane) < end:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                values += [record.value for record in records]
        return values
    finally:
        await consumer.stop()


async def test_a_produced_record_is_fetched_back(
    kafka: KafkaCluster | External, topic_prefix: str
) -> None:
    """What a client writes to the shared broker, another client reads."""
    await create_topic(kafka.bootstrap, topic_prefix, 1)
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap) as producer:
        await producer.send_and_wait(topic_prefix, b"hello")
    assert await read_all(kafka.bootstrap, topic_prefix) == [b"hello"]


async def test_nothing_acknowledged_is_lost_when_the_leader_is_killed(
    kafka_cluster: KafkaCluster, topic_prefix: str
) -> None:
    """Of three brokers one may die: producing goes on and all is read back once, in order."""
    await create_topic(kafka_cluster.bootstrap, topic_prefix, kafka_cluster.replication)
    acknowledged: list[bytes] = []
    async with AIOKafkaProducer(
        bootstrap_servers=kafka_cluster.bootstrap, enable_idempotence=True, acks="all"
    ) as producer:
        await producer.client.force_metadata_update()
        leader = producer.client.cluster.leader_for_partition(TopicPartition(topic_prefix, 0))
        for number in range(300):
            if number == 100:
                await asyncio.to_thread(kafka_cluster.kill, leader)
            await producer.send_and_wait(topic_prefix, value := b"%d" % number)
            acknowledged.append(value)
    assert await read_all(kafka_cluster.bootstrap, topic_prefix) == acknowledged


async def test_a_frozen_broker_answers_again_when_thawed(
    kafka_own: KafkaCluster, topic_prefix: str
) -> None:
    """While frozen nothing is acknowledged; after the thaw the same send is."""
    await create_topic(kafka_own.bootstrap, topic_prefix, 1)
    async with AIOKafkaProducer(bootstrap_servers=kafka_own.bootstrap) as producer:
        await producer.send_and_wait(topic_prefix, b"before")
        kafka_own.freeze(1)
        sending = asyncio.create_task(producer.send_and_wait(topic_prefix, b"after"))
        done, _ = await asyncio.wait([sending], timeout=1)
        assert not done
        kafka_own.thaw(1)
        await asyncio.wait_for(sending, PATIENCE_S)


async def test_a_restarted_broker_has_its_records(
    kafka_own: KafkaCluster, topic_prefix: str
) -> None:
    """A killed broker comes back on the same address with what it had acknowledged."""
    await create_topic(kafka_own.bootstrap, topic_prefix, 1)
    async with AIOKafkaProducer(bootstrap_servers=kafka_own.bootstrap) as producer:
        await producer.send_and_wait(topic_prefix, b"kept")
    await asyncio.to_thread(kafka_own.kill, 1)
    await asyncio.to_thread(kafka_own.restart, 1)
    assert await read_all(kafka_own.bootstrap, topic_prefix) == [b"kept"]


@pytest.fixture
def java(kafka_own: KafkaCluster) -> Java:
    """Return the Java of this machine, where that is what runs Kafka."""
    machine = kafka_own._machine
    if not isinstance(machine, Java):
        pytest.skip("here Docker runs Kafka; this is about running it without")
    return machine


@pytest.fixture
def taken() -> Iterator[int]:
    """Hold a port on which something listens already."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_port_taken_by_another_process_is_told_apart(
    java: Java, taken: int, tmp_path: Path
) -> None:
    """Only that failure is tried again with other ports; the error shows the broker's log."""
    ports = [Ports(taken, *free_ports(2))]
    folder = tmp_path / "node"
    node = Node(java, "taken", folder, server_properties(1, ports, folder / "data"))
    assert node.format("a1YxYxYxYxYxYxYxYxYxYQ").wait() == 0
    node.start()
    try:
        with pytest.raises(PortTaken, match="Address already in use"):
            node.wait_ready()
    finally:
        node.kill()


def test_a_broker_that_cannot_start_shows_why(java: Java, tmp_path: Path) -> None:
    """The error carries the end of the broker's own log."""
    node = Node(java, "broken", tmp_path / "node", "process.roles=nonsense\n")
    node.start()
    try:
        with pytest.raises(BrokerError, match="nonsense"):
            node.wait_ready()
    finally:
        node.kill()


def test_brokers_die_with_the_tests(kafka_own: KafkaCluster) -> None:
    """When the tests' process is killed outright, its broker is killed too."""
    assert kafka_own.bootstrap
    script = (
        "import os, signal\n"
        "from tests.kafka import provision\n"
        "from tests.kafka.broker import KafkaCluster\n"
        "with KafkaCluster(provision.machine()) as cluster:\n"
        "    print(cluster.bootstrap, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL
    host, _, port = done.stdout.strip().partition(":")
    assert _refused_soon(host, int(port))


def test_docker_is_told_to_start_freeze_and_kill(java: Java, tmp_path: Path) -> None:
    """With a stand-in for the `docker` program, a cluster goes through its whole life."""
    docker = tmp_path / "docker"
    docker.write_text(STAND_IN.format(python=sys.executable, java=java.java, jars=java.jars))
    docker.chmod(0o755)
    with KafkaCluster(Docker(str(docker))) as cluster:
        host, _, port = cluster.bootstrap.partition(":")
        cluster.kill(1)
        assert _refused_soon(host, int(port))
        cluster.heal()
        assert not _refuses(host, int(port))
    assert _refused_soon(host, int(port))


@pytest.mark.parametrize(("ci", "code"), [("", 0), ("true", 1)])
def test_missing_kafka_is_said_aloud(tmp_path: Path, ci: str, code: int) -> None:
    """Without Java, Maven and Docker the run names its gap in one line; CI fails on it."""
    home = {"PATH": str(tmp_path), "CI": ci, "JAVA_HOME": "", provision.ADDRESS: ""}
    test = "tests/kafka/test_broker.py::test_a_produced_record_is_fetched_back"
    done = _pytest(test, home)
    last_words = [line for line in done.stdout.splitlines() if line.startswith("NOT RUN")]
    reason = "no Java on the PATH; no Docker on the PATH"
    mend = "(`make kafka` installs, or set PULSEBOT_TEST_KAFKA)"
    assert last_words == [f"NOT RUN: 1 Kafka tests: {reason} {mend}"]
    assert done.returncode == code


@pytest.mark.parametrize(
    ("address", "words"),
    [("127.0.0.1", "write host:port"), ("127.0.0.1:1", "nothing listens there")],
)
def test_a_wrong_address_is_an_error(address: str, words: str) -> None:
    """Whoever names a broker is told when it cannot be used; nothing else takes its place."""
    with pytest.raises(provision.AddressError, match=words):
        provision.external({provision.ADDRESS: address})


def test_a_given_broker_is_used_as_it_is(taken: int) -> None:
    """An address at which something listens is passed to the tests unchanged."""
    address = f"127.0.0.1:{taken}"
    assert provision.external({provision.ADDRESS: address}) == External(address)


def test_an_interrupted_fetch_leaves_nothing_to_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jars that Maven fetched only in part never appear under the final name."""
    maven = tmp_path / "mvn"
    maven.write_text(
        "#!/bin/sh\n"
        'for last; do :; done; mkdir -p "${last#*=}"\n'
        '> "${last#*=}/kafka_2.13.jar"; echo "connection reset"; exit 1\n'
    )
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(jars.FetchError, match="connection reset"):
        jars.fetch(tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def _refused_soon(host: str, port: int) -> bool:
    for _ in range(100):
        if _refuses(host, port):
            return True
        time.sleep(0.1)
    return False


def _refuses(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) != 0


def _pytest(test: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", test],
        cwd=PROJECT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
