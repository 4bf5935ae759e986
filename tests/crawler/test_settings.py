from pathlib import Path

import pytest

from crawler.settings import Settings, load
from pulsebot.errors import InvalidConfig
from pulsebot.stream.config import KafkaStream, LocalStream


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _problems(text: str, **environ: str) -> list[str]:
    Path("crawler.yaml").write_text(text)
    with pytest.raises(InvalidConfig) as caught:
        load(Settings, environ=environ)
    return str(caught.value).splitlines()


def test_without_a_file_the_embedded_log_of_the_folder_is_the_stream() -> None:
    """The defaults agree with the bot's: one log file in the working folder."""
    settings = load(Settings, environ={})
    assert settings.stream == LocalStream(path=Path("pulsebot-log.db"))
    assert settings.instance


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    """Nested keys by `__`, lists as JSON, secrets from files."""
    secret = tmp_path / "secret"
    secret.write_text("hunter2\n")
    Path("crawler.yaml").write_text("service: from-file\ntags: {env: prod}\n")
    settings = load(
        Settings,
        environ={
            "CRAWLER_SERVICE": "from-env",
            "CRAWLER_STREAM__TYPE": "kafka",
            "CRAWLER_STREAM__BOOTSTRAP": '["k1:9092", "k2:9092"]',
            "CRAWLER_STREAM__SECURITY_PROTOCOL": "SASL_SSL",
            "CRAWLER_STREAM__SASL_MECHANISM": "PLAIN",
            "CRAWLER_STREAM__SASL_USERNAME": "u",
            "CRAWLER_STREAM__SASL_PASSWORD_FILE": str(secret),
            "CRAWLER_SERVICE_HOST": "10.0.0.1",  # what Kubernetes puts into every pod
            "OTHER_SERVICE": "no",
        },
    )
    assert (settings.service, settings.tags) == ("from-env", {"env": "prod"})
    assert isinstance(settings.stream, KafkaStream)
    assert settings.stream.bootstrap == ["k1:9092", "k2:9092"]
    assert settings.stream.sasl_password.get_secret_value() == "hunter2"


def test_all_problems_are_told_at_once_with_their_lines() -> None:
    """Every fault has its line, also inside a member of a union."""
    assert _problems(
        "servise: a\nstream:\n  type: kafka\n  bootstrap: []\n  topisc: 1\nspool:\n  max_mb: 0\n"
    ) == [
        "crawler.yaml:1: `servise` is not a known key; did you mean `service`?",
        "crawler.yaml:4: `stream.bootstrap`: must not be empty",
        "crawler.yaml:5: `stream.topisc` is not a known key; did you mean `topics`?",
        "crawler.yaml:7: `spool.max_mb`: must be at least 1",
    ]


def test_a_missing_key_is_told_at_its_section() -> None:
    """What is not there has no line of its own, so the section's line is told."""
    assert _problems("stream:\n  type: kafka\n") == [
        "crawler.yaml:1: `stream.bootstrap` is missing"
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("service: a\nservice: b\n", "crawler.yaml:2: `service` is there twice (first in line 1)"),
        ("tags: &t {a: b}\n", "crawler.yaml:1: anchors and aliases are not allowed"),
        ("tags: {a: b\n", "crawler.yaml:2: not YAML: "),
        ("- a\n- b\n", "crawler.yaml:1: must be a mapping"),
        ("tags: {1: {2: 3}}\n", "crawler.yaml:1: `tags.1"),
        ("service: " + "x" * 262_144, "crawler.yaml: larger than 262,144 bytes"),
    ],
)
def test_yaml_that_bites_is_refused(text: str, problem: str) -> None:
    """Duplicate keys, aliases, broken and oversized files are told with their place."""
    assert any(problem in line for line in _problems(text)), _problems(text)


def test_a_bad_variable_is_told_by_its_name() -> None:
    """The place of a fault in the environment is the variable."""
    assert _problems("", CRAWLER_SPOOL__MAX_MB="many") == [
        "CRAWLER_SPOOL__MAX_MB: `spool.max_mb`: must be a number"
    ]
    assert _problems("", CRAWLER_STREAM__BOOTSTRAP="[oops")[0].startswith(
        "CRAWLER_STREAM__BOOTSTRAP: not JSON"
    )
    assert _problems("", CRAWLER_SERVICE_FILE="/no/such") != []
    assert _problems("service: x", CRAWLER_SERVICE__X="1") == [
        "CRAWLER_SERVICE__X: `service` is not a section"
    ]
