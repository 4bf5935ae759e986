"""Settings of a stream, shared by the bot and the crawlers (each has its own settings file).

Values only: nothing here connects to anything.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

KINDS = ("trigger", "crash", "status", "message")


class Section(BaseModel):
    """A part of a settings file: frozen, and a misspelt key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Topics(Section):
    """Which topics there are, and how `topics create` makes them."""

    template: str = "pulse.{kind}"
    """Name of the topic an event goes to; `{kind}` and `{service}` are filled in."""
    read: list[str] | None = None
    """Topics that the bot reads; unset: what the template gives for the four kinds."""
    pattern: str | None = None
    """Regular expression of the topics that the bot reads, instead of a list."""
    partitions: Annotated[int, Field(ge=1, le=10_000)] = 6
    replication: Annotated[int, Field(ge=1, le=10)] = 1
    retention_days: Annotated[float, Field(gt=0)] = 7

    @field_validator("template")
    @classmethod
    def _fills_in(cls, template: str) -> str:
        try:
            template.format(kind="trigger", service="svc-a")
        except (KeyError, IndexError, ValueError):
            raise ValueError("only {kind} and {service} can be filled in") from None
        return template

    @model_validator(mode="after")
    def _readable(self) -> "Topics":
        if self.read is not None and self.pattern is not None:
            raise ValueError("give either `read` or `pattern`, not both")
        if "{service}" in self.template and self.read is None and self.pattern is None:
            raise ValueError("a template with {service} needs `pattern` or `read`")
        return self

    def name(self, kind: str, service: str) -> str:
        """Return the topic that an event of this kind and service goes to."""
        return self.template.format(kind=kind, service=service)

    def to_read(self) -> list[str]:
        """Return the listed topics; empty where `pattern` says which to read."""
        if self.read is not None:
            return list(self.read)
        return [] if self.pattern else [self.template.format(kind=kind) for kind in KINDS]


class LocalStream(Section):
    """The embedded log: one SQLite file that several processes may append to."""

    type: Literal["local"] = "local"
    path: Path = Path("pulsebot-log.db")
    topics: Topics = Topics()


class KafkaStream(Section):
    """Apache Kafka."""

    type: Literal["kafka"]
    bootstrap: Annotated[list[str], Field(min_length=1)]
    """Addresses of some brokers, `host:port` each."""
    client_id: str = "pulsebot"
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ssl_cafile: Path | None = None
    ssl_certfile: Path | None = None
    ssl_keyfile: Path | None = None
    ssl_password: SecretStr | None = None
    request_timeout_s: Annotated[float, Field(gt=0)] = 30
    stuck_after_s: Annotated[float, Field(gt=0)] = 60
    """Recreate the consumer when it lags and has not moved for this long."""
    topics: Topics = Topics()

    @model_validator(mode="after")
    def _sasl_complete(self) -> "KafkaStream":
        if self.security_protocol.startswith("SASL") and not (
            self.sasl_mechanism and self.sasl_username and self.sasl_password
        ):
            raise ValueError(
                f"security_protocol {self.security_protocol} needs sasl_mechanism, "
                "sasl_username and sasl_password"
            )
        return self


StreamSettings = Annotated[LocalStream | KafkaStream, Field(discriminator="type")]
