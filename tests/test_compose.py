"""docker-compose.yml and the Dockerfile, checked as far as that goes without running them.

Against the compose file's own schema, against the settings and commands that the code has,
and against Kafka itself: the program by which the image reads its environment.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
from ruamel.yaml import YAML

import crawler.agent
import crawler.cli
import pulsebot.cli
import pulsebot.settings
from pulsebot import configfile
from pulsebot.errors import InvalidConfig
from pulsebot.stream.config import KafkaStream
from tests.kafka.machine import IMAGE, Java, Machine
from tests.kafka.provision import Unavailable

ROOT = Path(__file__).parents[1]
COMPOSE = YAML(typ="safe").load((ROOT / "docker-compose.yml").read_text("utf-8"))
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PROFILES = {"cluster": 3, "laptop": 1}

BROKERS = [name for name, service in SERVICES.items() if service["image"] == IMAGE]
PROGRAMS = [name for name in SERVICES if name not in BROKERS]

CLI = {"pulsebot": pulsebot.cli.app, "crawler": crawler.cli.app}
SETTINGS: dict[str, type[pulsebot.settings.Settings] | type[crawler.agent.AgentSettings]] = {
    "PULSEBOT_": pulsebot.settings.Settings,
    "CRAWLER_": crawler.agent.AgentSettings,
}


def environment(name: str) -> dict[str, str]:
    """Return the environment of a service as its process sees it."""
    return {key: str(value) for key, value in SERVICES[name]["environment"].items()}


def streams(name: str) -> Iterator[KafkaStream]:
    """Yield the stream's settings of a service, read by the code that will read them."""
    for prefix, model in SETTINGS.items():
        if any(key.startswith(prefix) for key in environment(name)):
            stream = configfile.load(model, None, environment(name), prefix).stream
            assert isinstance(stream, KafkaStream)
            yield stream


def test_the_file_is_a_compose_file() -> None:
    """The published schema of compose files accepts it."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run(
        [*command, str(ROOT / "docker-compose.yml")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_variable_is_a_setting(name: str) -> None:
    """A program is given only variables that its settings read, with values they accept."""
    variables = environment(name)
    for variable in variables:
        prefix = next(prefix for prefix in SETTINGS if variable.startswith(prefix))
        first = variable.removeprefix(prefix).lower().split("__")[0]
        assert first in SETTINGS[prefix].model_fields, variable
    assert list(streams(name)), "a program without a stream"


def test_a_variable_that_nothing_reads_is_refused() -> None:
    """The check above sees a misspelt key in a section, and a value of the wrong kind."""
    stream = {"PULSEBOT_STREAM__TYPE": "kafka", "PULSEBOT_STREAM__BOOTSTRAP": '["kafka:9092"]'}
    for wrong in ({"PULSEBOT_STREAM__BOOSTRAP": "x"}, {"PULSEBOT_WEB__LISTEN": "http"}):
        with pytest.raises(InvalidConfig):
            configfile.load(pulsebot.settings.Settings, None, {**stream, **wrong}, "PULSEBOT_")


def has_command(program: str, words: list[str]) -> bool:
    """Tell whether a program's command line has this command."""
    command: Any = typer.main.get_command(CLI[program])
    for word in words:
        command = getattr(command, "commands", {}).get(word)
    return command is not None


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_command_exists(name: str) -> None:
    """What a program is started and checked with is a command of its command line."""
    service = SERVICES[name]
    target = service["build"]["target"]
    (default,) = re.findall(r'^CMD \["(\w+)"\]$', DOCKERFILE, re.MULTILINE)
    assert f'ENTRYPOINT ["{target}"]' in DOCKERFILE
    assert has_command(target, service.get("command", [default]))
    check = service.get("healthcheck", {}).get("test")
    assert check is None or has_command(check[1], check[2:])


def test_a_command_that_is_not_there_is_seen() -> None:
    """The check above tells a command from none."""
    assert not has_command("pulsebot", ["walk"])
    assert not has_command("pulsebot", ["topics", "make"])


@pytest.mark.parametrize("name", SERVICES)
def test_what_keeps_running_has_a_health_check(name: str) -> None:
    """Only the service that runs once and ends needs none."""
    service = SERVICES[name]
    of_image = service.get("build", {}).get("target") == "pulsebot" and "HEALTHCHECK" in DOCKERFILE
    once = service["restart"] == "no"
    assert service.get("healthcheck", {}).get("disable", False) is once
    assert once or of_image or "test" in service["healthcheck"]


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_find_the_brokers_of_their_profile(name: str) -> None:
    """Every address is a broker of the same profile, and all of them are given."""
    (profile,) = SERVICES[name]["profiles"]
    brokers = {broker for broker in BROKERS if SERVICES[broker]["profiles"] == [profile]}
    for stream in streams(name):
        assert {address.partition(":")[0] for address in stream.bootstrap} == brokers
        assert {address.partition(":")[2] for address in stream.bootstrap} == {"9092"}


@pytest.mark.parametrize(("profile", "brokers"), PROFILES.items())
def test_a_profile_is_whole(profile: str, brokers: int) -> None:
    """A profile has its brokers, each thing once, and waits only for services of its own."""
    services = {name: s for name, s in SERVICES.items() if s["profiles"] == [profile]}
    assert len(set(services) & set(BROKERS)) == brokers
    assert len(services) == brokers + 3
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert len(ports) == len(set(ports))
    assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize(("profile", "brokers"), PROFILES.items())
def test_topics_are_as_safe_as_the_profile_allows(profile: str, brokers: int) -> None:
    """Every broker has a copy, one may fail without loss, and seven days are kept."""
    for name in (name for name in SERVICES if SERVICES[name]["profiles"] == [profile]):
        given = environment(name)
        if name in BROKERS:
            assert given["KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR"] == str(brokers)
            assert given.get("KAFKA_MIN_INSYNC_REPLICAS", "1") == str(max(1, brokers - 1))
            assert len(given["KAFKA_CONTROLLER_QUORUM_VOTERS"].split(",")) == brokers
        elif SERVICES[name].get("command") == ["topics", "create"]:
            (stream,) = streams(name)
            assert (stream.topics.replication, stream.topics.retention_days) == (brokers, 7)


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_can_do_more_than_it_must(name: str) -> None:
    """Its root is read-only, it has no capabilities and gains none, and it is not root's."""
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    users = re.findall(r"^USER (\d+):\d+$", DOCKERFILE, re.MULTILINE)
    assert int(str(service.get("user", users[-1])).partition(":")[0]) > 0


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_is_written_is_on_a_volume(name: str) -> None:
    """Every file that a program keeps lies under a volume that outlives the container."""
    service, given = SERVICES[name], environment(name)
    targets = [str(volume).split(":")[1] for volume in service.get("volumes", ())]
    for variable in ("PULSEBOT_DATABASE", "CRAWLER_SPOOL__PATH"):
        if variable in given:
            assert any(given[variable].startswith(f"{target}/") for target in targets)


def test_named_volumes_are_declared_and_used() -> None:
    """No volume is left over, and none is missing."""
    mounts = [str(v) for service in SERVICES.values() for v in service.get("volumes", ())]
    named = {mount.partition(":")[0] for mount in mounts if not mount.startswith((".", "/"))}
    assert named == set(COMPOSE["volumes"])


def test_the_image_is_built_from_files_that_are_let_in() -> None:
    """Whatever the Dockerfile copies exists and is not kept out by .dockerignore."""
    let_in = {
        line.removeprefix("!").rstrip("/")
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if line.startswith("!")
    }
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    assert copied
    for source in copied:
        assert (ROOT / source).exists()
        assert source in let_in


@pytest.fixture(scope="module")
def java(kafka_machine: Machine | Unavailable) -> Java:
    """Return the Java with Kafka's jars; elsewhere this one check is left out, with its reason."""
    if isinstance(kafka_machine, Java):
        return kafka_machine
    reason = getattr(kafka_machine, "reason", "Kafka runs in Docker, its jars are not at hand")
    pytest.skip(f"Kafka's own reading of the settings: {reason}")


@pytest.mark.kafka
@pytest.mark.parametrize("name", ["kafka-1", "kafka"])
def test_kafka_accepts_the_brokers_settings(name: str, java: Java, tmp_path: Path) -> None:
    """The image's start program takes our variables, and writes only where we let it."""
    folders = {name: tmp_path / name for name in ("default", "mounted", "final", "data")}
    for folder in folders.values():
        folder.mkdir()
    for file in ("server.properties", "log4j2.yaml", "tools-log4j2.yaml"):
        (folders["default"] / file).touch()
    done = run_wrapper(java, folders, environment(name))
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folders["data"] / "meta.properties").is_file()
    written = (folders["final"] / "server.properties").read_text("utf-8").splitlines()
    assert f"advertised.listeners={environment(name)['KAFKA_ADVERTISED_LISTENERS']}" in written
    assert {path.name for path in tmp_path.iterdir()} == set(folders)


def run_wrapper(
    java: Java, folders: Mapping[str, Path], variables: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run what the image's `launch` script runs to turn variables into properties."""
    arguments = ["kafka.docker.KafkaDockerWrapper", "setup"]
    for option in ("default", "mounted", "final"):
        arguments += [f"--{option}-configs-dir", str(folders[option])]
    return subprocess.run(
        java.command("wrapper", folders["data"], arguments),
        env={**os.environ, **variables, "KAFKA_LOG_DIRS": str(folders["data"])},
        capture_output=True,
        text=True,
        check=False,
    )
