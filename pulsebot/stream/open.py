"""Which stream the settings mean: the one table from a type's name to its classes.

A client library is imported only when its stream is used.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pulsebot.errors import InvalidInput
from pulsebot.stream.base import Admin, Reader, Writer
from pulsebot.stream.config import StreamSettings


@dataclass(frozen=True, slots=True)
class _Stream:
    """The three classes of one stream; each takes the settings of its type."""

    reader: Callable[[Any], Reader]
    writer: Callable[[Any], Writer]
    admin: Callable[[Any], Admin]


def _local() -> _Stream:
    from pulsebot.stream.local import (  # noqa: PLC0415 - see above
        LocalAdmin,
        LocalReader,
        LocalWriter,
    )

    return _Stream(LocalReader, LocalWriter, LocalAdmin)


def _kafka() -> _Stream:
    from pulsebot.stream.kafka import (  # noqa: PLC0415 - see above
        KafkaAdmin,
        KafkaReader,
        KafkaWriter,
    )

    return _Stream(KafkaReader, KafkaWriter, KafkaAdmin)


_STREAMS: dict[str, Callable[[], _Stream]] = {
    "kafka": _kafka,
    "local": _local,
}


def open_reader(settings: StreamSettings) -> Reader:
    """Make the reader that the settings mean; entering it opens the stream."""
    return _stream(settings).reader(settings)


def open_writer(settings: StreamSettings) -> Writer:
    """Make the writer that the settings mean; entering it opens the stream."""
    return _stream(settings).writer(settings)


def open_admin(settings: StreamSettings) -> Admin:
    """Make the admin that the settings mean."""
    return _stream(settings).admin(settings)


def _stream(settings: StreamSettings) -> _Stream:
    if settings.type not in _STREAMS:
        raise InvalidInput(f"stream.type {settings.type}: not here; use {', '.join(_STREAMS)}")
    return _STREAMS[settings.type]()
