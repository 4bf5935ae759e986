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
    sasl: int
    controller: int


def server_properties(node: int, ports: list[Ports], data: Path) -> str:
    """Return the properties of node number `node` (from 1) of a cluster with these ports."""
    own = ports[node - 1]
    copies = min(3, len(ports))
    voters = ",".join(f"{n}@127.0.0.1:{each.controller}" for n, each in enumerate(ports, 1))
    clients = f"PLAINTEXT://127.0.0.1:{own.plain},SASL://127.0.0.1:{own.sasl}"
    login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    lines = {
        "process.roles": "broker,controller",
        "node.id": node,
        "controller.quorum.voters": voters,
        "listeners": f"{clients},CONTROLLER://127.0.0.1:{own.controller}",
        "advertised.listeners": clients,
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": (
            "PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT"
        ),
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.sasl.plain.sasl.jaas.config": f'{login} user_{USER}="{PASSWORD}";',
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
    }
    return "".join(f"{key}={value}\n" for key, value in lines.items())
