"""A real Kafka cluster of one or three nodes for tests, in KRaft mode on loopback ports.

It owns its processes and its temporary folder, and nothing else: only processes that it
started are ever signalled. Node numbers count from 1 and are Kafka's own node ids. Every
method blocks; in an async test call the slow ones by `asyncio.to_thread`.
"""

import base64
import secrets
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Self

from tests.kafka.machine import Machine
from tests.kafka.node import BrokerError, Node, PortTaken
from tests.kafka.ports import free_ports
from tests.kafka.properties import Keystore, Ports, server_properties

ATTEMPTS = 5


class KafkaCluster:
    """A context manager: entering returns when all nodes serve, leaving ends and removes them.

    `steady` is for brokers that are measured, or serve many tests: they start slower.
    """

    def __init__(
        self,
        machine: Machine,
        *,
        nodes: int = 1,
        keystore: Keystore | None = None,
        steady: bool = False,
    ) -> None:
        self._machine = machine
        self._steady = steady
        self._keystore = keystore
        self._count = nodes
        self._folder: Path | None = None
        self._nodes: dict[int, Node] = {}
        self._ports: list[Ports] = []

    def __enter__(self) -> Self:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._start()
            except PortTaken:
                self.stop()
                if attempt == ATTEMPTS:
                    raise
            except BaseException:
                self.stop()
                raise
            else:
                break
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    @property
    def bootstrap(self) -> str:
        """Addresses of all nodes, as clients want them."""
        return ",".join(f"127.0.0.1:{ports.plain}" for ports in self._ports)

    @property
    def login_bootstrap(self) -> str:
        """Addresses that want a login: SASL PLAIN with `properties.USER` and `PASSWORD`.

        Over TLS where the cluster was given a keystore.
        """
        return ",".join(f"127.0.0.1:{ports.login}" for ports in self._ports)

    @property
    def replication(self) -> int:
        """How many copies of a topic the cluster can keep."""
        return self._count

    def kill(self, node: int) -> None:
        """End a node at once (SIGKILL); return when it is gone."""
        self._nodes[node].kill()

    def freeze(self, node: int) -> None:
        """Stop a node in its tracks (SIGSTOP): its connections stay open, nothing answers."""
        self._nodes[node].signal(signal.SIGSTOP)

    def thaw(self, node: int) -> None:
        """Let a frozen node go on (SIGCONT)."""
        self._nodes[node].signal(signal.SIGCONT)

    def restart(self, node: int) -> None:
        """Start a killed node again with its old data and ports; return when it serves."""
        if self._nodes[node].running:
            raise BrokerError(f"node {node} runs: kill it first")
        self._nodes[node].start()
        self._nodes[node].wait_ready()

    def heal(self) -> None:
        """Thaw and restart what tests froze and killed; return when all nodes serve."""
        dead = [node for node in self._nodes.values() if not node.running]
        for node in self._nodes.values():
            node.signal(signal.SIGCONT)
        for node in dead:
            node.start()
        for node in dead:
            node.wait_ready()

    def stop(self) -> None:
        """End all nodes and remove their files; harmless when repeated."""
        for node in self._nodes.values():
            node.kill()
        self._nodes.clear()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _start(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="pulsebot-kafka-"))
        ports = free_ports(3 * self._count)
        self._ports = [Ports(*ports[at : at + 3]) for at in range(0, len(ports), 3)]
        name = f"pulsebot-test-{secrets.token_hex(4)}"
        for number in range(1, self._count + 1):
            folder = self._folder / str(number)
            keystore = self._keystore and self._keystore.moved_to(folder / "keystore.p12")
            properties = server_properties(number, self._ports, folder / "data", keystore)
            self._nodes[number] = Node(
                self._machine, f"{name}-{number}", folder, properties, steady=self._steady
            )
            if self._keystore and keystore:
                shutil.copy(self._keystore.path, keystore.path)
        self._format()
        for node in self._nodes.values():
            node.start()
        for node in self._nodes.values():
            node.wait_ready()

    def _format(self) -> None:
        # A UUID in base64; its first byte is given, because the tool takes "-…" for an option.
        cluster_id = base64.urlsafe_b64encode(b"k" + secrets.token_bytes(15)).decode().rstrip("=")
        runs = [(node, node.format(cluster_id)) for node in self._nodes.values()]
        for node, run in runs:
            if run.wait():
                raise BrokerError(node.log.read_text())
