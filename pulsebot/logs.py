"""Structured logs: one event with its facts per line, secrets blacked out.

Every library's logging goes through the same chain, so that a token in somebody else's
message is blacked out as well.
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, Literal, TextIO

import structlog
from pydantic import BaseModel, SecretStr

from pulsebot.stream.config import Section

HIDDEN = "[hidden]"

_TOKEN = re.compile(
    r"xox[a-z]-[\w-]+|xapp-[\w-]+|\b\d{6,12}:[\w-]{30,}|(?<=://)[^/\s:@]+:[^/\s:@]+(?=@)"
)
"""What looks like a Slack or Telegram token, or a password in an address."""


class Logs(Section):
    """Structured logs: `console` for people, `json` for machines."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"


def secrets_of(model: BaseModel) -> list[str]:
    """Return every secret in a model of settings, however deep."""
    found: list[str] = []
    _collect(model, found)
    return [secret for secret in found if secret]


def configure(settings: Logs, secrets: Sequence[str] = ()) -> None:
    """Send all logs of this process to standard error, as the settings say."""

    def hide(
        _logger: object, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        return {key: _hidden(value, secrets) for key, value in event.items()}

    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        hide,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = _Stderr()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _renderer(settings),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    for noisy in ("httpx", "httpcore", "apscheduler", "aiokafka", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to what sys.stderr is at that moment: the console's prompt puts itself before it."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def _renderer(settings: Logs) -> Any:  # noqa: ANN401 - structlog's processors have no common type
    if settings.format == "json":
        return structlog.processors.JSONRenderer()
    return structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )


def _collect(value: object, found: list[str]) -> None:
    if isinstance(value, SecretStr):
        found.append(value.get_secret_value())
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            _collect(getattr(value, name), found)
    elif isinstance(value, Mapping):
        for item in value.values():
            _collect(item, found)


def _hidden(value: object, secrets: Sequence[str]) -> object:
    if isinstance(value, Mapping):
        return {key: _hidden(item, secrets) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_hidden(item, secrets) for item in value]
    if not isinstance(value, str):
        return value
    for secret in secrets:
        value = value.replace(secret, HIDDEN)
    return _TOKEN.sub(HIDDEN, value)
