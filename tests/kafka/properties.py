"""The configuration files of a Kafka node for tests: small, loopback only, quick to fail over."""

from dataclasses import dataclass
from pathlib import Path

USER, PASSWORD = "alice", "alice-secret"

LOG4J2 = """\
<Configuration status="WARN">
  <Appenders>
    <Console name="out"><PatternLayout pattern="%d{ISO8601} %p %m (%c)%n"/></Console>
  </Appenders>
  <Loggers>
    <Root level="WARN"><AppenderRef ref="out"/></Root>
    <Logger name="kafka.server.KafkaRaftServer" level="INFO"/>
  </Loggers>
</Configuration>
"""


@dataclass(frozen=True, slots=True)
class Ports:
    """The loopback ports of one node: for clients, for clients that log in, for the quorum."""

    plain: int
    login: int
    controller: int


@dataclass(frozen=True, slots=True)
class Keystore:
    """The broker's own key and certificate: with it, logging in goes over TLS."""

    path: Path
    password: str

    def moved_to(self, path: Path) -> "Keystore":
        """Return the same keystore at another place."""
        return Keystore(path, self.password)

    def lines(self) -> dict[str, object]:
        """Return the properties that make a broker use it."""
        names = "location", "password", "type"
        values = self.path, self.password, "PKCS12"
        return {
            f"listener.name.login.ssl.keystore.{name}": value
            for name, value in zip(names, values, strict=True)
        }


def server_properties(
    node: int, ports: list[Ports], data: Path, keystore: Keystore | None = None
) -> str:
    """Return the properties of node number `node` (from 1) of a cluster with these ports."""
    own = ports[node - 1]
    copies = min(3, len(ports))
    voters = ",".join(f"{n}@127.0.0.1:{each.controller}" for n, each in enumerate(ports, 1))
    clients = f"PLAINTEXT://127.0.0.1:{own.plain},LOGIN://127.0.0.1:{own.login}"
    module = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    lines = {
        "process.roles": "broker,controller",
        "node.id": node,
        "controller.quorum.voters": voters,
        "listeners": f"{clients},CONTROLLER://127.0.0.1:{own.controller}",
        "advertised.listeners": clients,
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": (
            f"PLAINTEXT:PLAINTEXT,LOGIN:SASL_{'SSL' if keystore else 'PLAINTEXT'},"
            "CONTROLLER:PLAINTEXT"
        ),
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.login.plain.sasl.jaas.config": f'{module} user_{USER}="{PASSWORD}";',
        "log.dirs": data,
        "log.cleaner.dedupe.buffer.size": 4 * 1024 * 1024,  # 128 MB otherwise
        # A topic that nobody created is a mistake that the tests shall see.
        "auto.create.topics.enable": "false",
        "min.insync.replicas": max(1, copies - 1),
        "offsets.topic.num.partitions": 4,
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.num.partitions": 4,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": max(1, copies - 1),
        "group.initial.rebalance.delay.ms": 0,
        # A killed node is noticed after 3 s.
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
        "controller.quorum.election.timeout.ms": 500,
        "controller.quorum.fetch.timeout.ms": 1000,
        **(keystore.lines() if keystore else {}),
    }
    return "".join(f"{key}={value}\n" for key, value in lines.items())
