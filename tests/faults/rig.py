"""A bot as its own process in a folder of its own, to be killed, stopped and looked into.

The tests see it as an operator does: its settings file, its exit code, its log, its probes and
its database file (read only).
"""

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from asyncio.subprocess import Process
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from pulsebot.settings import Settings, load
from pulsebot.stream.base import Outgoing
from pulsebot.stream.open import open_reader, open_writer
from tests.fakes.slack import FakeSlack
from tests.kafka.broker import KafkaCluster
from tests.kafka.ports import free_ports
from tests.kafka.provision import External
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]


class Rig:
    """A folder with settings and rules, and at most one bot process that runs there.

    `more` goes over the settings: a local log, Slack at `workspace`, probes on a free port.
    """

    def __init__(self, folder: Path, workspace: FakeSlack, rules: str, **more: Any) -> None:
        self.folder = folder
        self.port = free_ports(1)[0]
        self.config = folder / "pulsebot.yaml"
        self.database = folder / "pulsebot.db"
        self.log = folder / "bot.log"
        self.process: Process | None = None
        self._write(workspace, rules, more)

    def _write(self, slack: FakeSlack, rules: str, more: dict[str, Any]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "rules.yaml").write_text(rules)
        settings = {
            "stream": {"type": "local", "path": str(self.folder / "log.db")},
            "database": str(self.database),
            "rules": [str(self.folder / "rules.yaml")],
            "slack": {
                "mode": "http",
                "bot_token": slack.bot_token,
                "signing_secret": slack.signing_secret,
                "base_url": slack.base_url,
            },
            "web": {"listen": f"127.0.0.1:{self.port}"},
        } | more
        self.config.write_text(json.dumps(settings))  # JSON is YAML
        crawler = {"stream": settings["stream"], "spool": {"path": str(self.folder / "spool")}}
        (self.folder / "crawler.yaml").write_text(json.dumps(crawler))

    @property
    def settings(self) -> Settings:
        """The settings as the bot reads them."""
        return load(self.config, {})

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.process and self.process.returncode is None:
            await self.kill()

    # --- the process --------------------------------------------------------------------------

    async def start(self, *wrapper: str) -> None:
        """Start the bot, through a wrapping command where one is given; do not wait for it."""
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *wrapper,
                *self._command("run"),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def kill(self) -> None:
        """End the bot by SIGKILL, as a power cut would."""
        assert self.process
        self.process.kill()
        await self.process.wait()

    async def terminate(self, within_s: float = PATIENCE_S) -> int:
        """End the bot by SIGTERM; return its exit code."""
        assert self.process
        self.process.terminate()
        async with asyncio.timeout(within_s):
            return await self.process.wait()

    async def once(self) -> None:
        """Run `pulsebot run --once` and expect it to succeed."""
        code, _, error = await self.cli("run", "--once")
        assert code == 0, error

    async def create_topics(self) -> None:
        """Create the topics that the settings name."""
        code, _, error = await self.cli("topics", "create")
        assert code == 0, error

    async def cli(self, *words: str, stdin: bytes = b"") -> tuple[int, str, str]:
        """Run a command of `pulsebot` to its end; return exit code, output and errors."""
        return await run(self._command(*words), stdin)

    async def send(self, *events: dict[str, Any]) -> None:
        """Send events as a script would, by `crawler send -`."""
        config = str(self.folder / "crawler.yaml")
        command = [sys.executable, "-m", "crawler", "send", "-", "--config", config]
        lines = "".join(json.dumps(one) + "\n" for one in events)
        code, _, error = await run(command, lines.encode())
        assert code == 0, error

    async def append(self, *values: bytes, kind: str = "trigger") -> None:
        """Append raw records to the topic of a kind, in one piece."""
        topic = self.settings.stream.topics.name(kind, "any")
        async with open_writer(self.settings.stream) as writer:
            await writer.append([Outgoing(topic, "", value) for value in values])

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "pulsebot", *words, "--config", str(self.config)]

    # --- looking at it ------------------------------------------------------------------------

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query; none while the database is not there yet."""
        uri = f"{self.database.as_uri()}?mode=ro"
        try:
            with closing(sqlite3.connect(uri, uri=True)) as connection:
                return connection.execute(sql, values).fetchall()
        except sqlite3.OperationalError:
            return []

    def positions(self) -> dict[tuple[str, int], int]:
        """Return the next offset by topic and partition."""
        return {(t, p): n for t, p, n in self.rows("SELECT * FROM position")}

    def probe(self, path: str = "readyz") -> tuple[int, str]:
        """Return status and body of a probe; status 0 where nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{path}") as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    async def ready(self) -> None:
        """Wait until the bot says that it can do its job."""
        await self.until(lambda: self.probe()[0] == 200)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition on the world outside holds, while the bot is alive."""
        async with asyncio.timeout(PATIENCE_S):
            while not await asyncio.to_thread(condition):
                assert self.process is None or self.process.returncode is None, self._last_words()
                await asyncio.sleep(0.02)

    async def drained(self) -> None:
        """Wait until everything in the stream is consumed, and all that it caused is sent."""
        async with open_reader(self.settings.stream) as reader:
            ends = await reader.ends()
        await self.until(lambda: all(self.positions().get(p, 0) >= e for p, e in ends.items()))
        await self.until(lambda: not self.rows("SELECT 1 FROM outbox WHERE open LIMIT 1"))

    def _last_words(self) -> str:
        return "the bot ended: " + self.log.read_text()[-3000:]


def kafka_stream(kafka: KafkaCluster | External, prefix: str, **more: Any) -> dict[str, Any]:
    """Return the settings of a stream on a real Kafka, with topics of its own."""
    topics = {"template": prefix + ".{kind}", "partitions": 3, "replication": kafka.replication}
    bootstrap = kafka.bootstrap.split(",")
    return {"type": "kafka", "bootstrap": bootstrap, "topics": topics} | more


def event(kind: str, service: str, data: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return an event of just now as a JSON object."""
    return {
        "specversion": "1.0",
        "type": f"pulse.{kind}",
        "source": service,
        "id": uuid.uuid4().hex,
        "time": datetime.now(UTC).isoformat(),
        "data": data,
    } | more


async def run(command: Sequence[str], stdin: bytes = b"") -> tuple[int, str, str]:
    """Run a command to its end from the root of the project; return code, output, errors."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env=os.environ | {"NO_COLOR": "1", "COLUMNS": "200"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    async with asyncio.timeout(PATIENCE_S):
        output, errors = await process.communicate(stdin)
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


class LoadWriter:
    """The writer process (see `writer.py`) while the context is entered."""

    def __init__(self, rig: Rig, seed: int, rate: float = 400) -> None:
        self.notes = rig.folder / "written.ndjson"
        self._arguments = ["--config", str(rig.config), "--seed", str(seed), "--rate", str(rate)]
        self._process: Process | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.faults.writer", *self._arguments,
            "--out", str(self.notes), cwd=ROOT,
        )  # fmt: skip
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process
        with suppress(ProcessLookupError):
            self._process.terminate()
        assert await self._process.wait() == 0
