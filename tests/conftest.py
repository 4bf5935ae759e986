"""What all tests share: a real Kafka, a real PostgreSQL, and an honest word where there is none.

The fixtures start servers when a test first asks. Tests that want one (or a browser) on a
machine that cannot have one are skipped, counted, and named in one line at the end of the run:
NOT RUN; with CI=true the run then fails.
"""

import os
import re
import secrets
from collections import Counter
from collections.abc import Iterator
from typing import TypeVar

import hypothesis
import pytest

from tests.kafka import provision
from tests.kafka.broker import KafkaCluster
from tests.kafka.machine import Machine
from tests.kafka.provision import External, Unavailable
from tests.notrun import NOT_RUN, not_run
from tests.postgres import provision as postgres_provision
from tests.postgres.server import Databases, PostgresServer

# Tests never time things: a machine that is busy is not a fault.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")

KAFKA_FIXTURES = {"kafka", "kafka_own", "kafka_cluster"}
POSTGRES_FIXTURES = {"postgres", "postgres_own"}
Found = TypeVar("Found", bound=KafkaCluster | External)


def pytest_configure(config: pytest.Config) -> None:
    """Begin the list of the tests that did not run (test id to what it needs, and the reason)."""
    config.stash[NOT_RUN] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark with `kafka` and `postgres` every test that takes one of their fixtures."""
    for item in items:
        taken = set(getattr(item, "fixturenames", ()))
        if KAFKA_FIXTURES & taken:
            item.add_marker("kafka")
        if POSTGRES_FIXTURES & taken:
            item.add_marker("postgres")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run in CI that left out tests."""
    in_ci = os.environ.get("CI", "").lower() in {"true", "1"}
    if in_ci and session.config.stash[NOT_RUN] and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say in one line which tests did not run, and why."""
    for (needed, reason), count in Counter(config.stash[NOT_RUN].values()).items():
        line = f"NOT RUN: {count} {needed} tests: {reason}"
        terminalreporter.write_line(line, red=True, bold=True)


@pytest.fixture(scope="session")
def kafka_machine() -> Machine | Unavailable:
    """Find out once what can run Kafka here."""
    return provision.machine()


@pytest.fixture(scope="session")
def one_broker(request: pytest.FixtureRequest) -> Iterator[KafkaCluster | External | Unavailable]:
    """Hold the broker behind `kafka`; the given one where the environment names one."""
    given = provision.external()
    if given is not None:
        yield given
    else:
        yield from _brokers(request.getfixturevalue("kafka_machine"), nodes=1, steady=True)


@pytest.fixture(scope="module")
def own_broker(kafka_machine: Machine | Unavailable) -> Iterator[KafkaCluster | Unavailable]:
    """Hold the broker behind `kafka_own`."""
    yield from _brokers(kafka_machine, nodes=1)


@pytest.fixture(scope="module")
def three_brokers(kafka_machine: Machine | Unavailable) -> Iterator[KafkaCluster | Unavailable]:
    """Hold the brokers behind `kafka_cluster`."""
    yield from _brokers(kafka_machine, nodes=3)


@pytest.fixture
def kafka(
    request: pytest.FixtureRequest, one_broker: KafkaCluster | External | Unavailable
) -> KafkaCluster | External:
    """One broker for the whole run, shared: do not kill it, use topics of your own."""
    return _available(request, one_broker)


@pytest.fixture
def kafka_own(
    request: pytest.FixtureRequest, own_broker: KafkaCluster | Unavailable
) -> Iterator[KafkaCluster]:
    """One broker of the test module, to be killed and frozen; whole again after each test."""
    yield (cluster := _available(request, own_broker))
    cluster.heal()


@pytest.fixture
def kafka_cluster(
    request: pytest.FixtureRequest, three_brokers: KafkaCluster | Unavailable
) -> Iterator[KafkaCluster]:
    """Three brokers of the test module, to be killed and frozen; whole again after each test."""
    yield (cluster := _available(request, three_brokers))
    cluster.heal()


@pytest.fixture
def topic_prefix(request: pytest.FixtureRequest) -> str:
    """Return the beginning of a topic name that no other test has or will have."""
    return f"{re.sub(r'[^A-Za-z0-9_]+', '-', request.node.name)[:80]}-{secrets.token_hex(4)}"


@pytest.fixture(scope="session")
def one_server() -> Iterator[Databases | postgres_provision.Unavailable]:
    """Hold the server behind `postgres`; the given one where the environment names one."""
    if given := postgres_provision.external():
        yield Databases(given.url)
    else:
        yield from _servers()


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer | postgres_provision.Unavailable]:
    """Hold the server behind `postgres_own`."""
    yield from _servers()


@pytest.fixture
def postgres(
    request: pytest.FixtureRequest, one_server: Databases | postgres_provision.Unavailable
) -> Iterator[str]:
    """Create a database of the test's own on a shared server; yields its URL."""
    if isinstance(one_server, postgres_provision.Unavailable):
        not_run(request, "PostgreSQL", one_server.reason)
    with one_server.database() as url:
        yield url


@pytest.fixture
def postgres_own(
    request: pytest.FixtureRequest, own_server: PostgresServer | postgres_provision.Unavailable
) -> Iterator[PostgresServer]:
    """One server of the test module, to be killed; serving again after each test."""
    if isinstance(own_server, postgres_provision.Unavailable):
        not_run(request, "PostgreSQL", own_server.reason)
    yield own_server
    own_server.heal()


def _servers() -> Iterator[PostgresServer | postgres_provision.Unavailable]:
    programs = postgres_provision.programs()
    if isinstance(programs, postgres_provision.Unavailable):
        yield programs
    else:
        with PostgresServer(programs) as server:
            yield server


def _brokers(
    machine: Machine | Unavailable, *, nodes: int, steady: bool = False
) -> Iterator[KafkaCluster | Unavailable]:
    if isinstance(machine, Unavailable):
        yield machine
    else:
        with KafkaCluster(machine, nodes=nodes, steady=steady) as cluster:
            yield cluster


def _available(request: pytest.FixtureRequest, found: Found | Unavailable) -> Found:
    if isinstance(found, Unavailable):
        not_run(request, "Kafka", found.reason)
    return found
