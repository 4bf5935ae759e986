"""Which stream the settings mean: the one table from a type's name to its classes.

A client library is imported only when its stream is used.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from pulsebot.errors import InvalidInput
from pulsebot.stream.apart.reader import ReaderApart
from pulsebot.stream.base import Admin, Preparer, Reader, Writer
from pulsebot.stream.config import StreamSettings


@dataclass(frozen=True, slots=True)
class _Stream:
    """The three classes of one stream, each takes the settings of its type.

    `apart` says that reading it is so much work that a process of its own is worth it.
    """

    reader: Callable[[Any], Reader]
    writer: Callable[[Any], Writer]
    admin: Callable[[Any], Admin]
    apart: bool


def _local() -> _Stream:
    from pulsebot.stream.local import (  # noqa: PLC0415 - see above
        LocalAdmin,
        LocalReader,
        LocalWriter,
    )

    return _Stream(LocalReader, LocalWriter, LocalAdmin, apart=False)


def _kafka() -> _Stream:
    from pulsebot.stream.kafka import (  # noqa: PLC0415 - see above
        KafkaAdmin,
        KafkaReader,
        KafkaWriter,
    )

    return _Stream(KafkaReader, KafkaWriter, KafkaAdmin, apart=True)


_STREAMS: dict[str, Callable[[], _Stream]] = {
    "kafka": _kafka,
    "local": _local,
}


def open_reader(settings: StreamSettings) -> Reader:
    """Make the reader that the settings mean; entering it opens the stream."""
    return _stream(settings).reader(settings)


def open_reader_apart(settings: StreamSettings, prepare: Callable[[], Preparer]) -> Reader:
    """Make a reader like `open_reader`, in a process of its own where that is worth it.

    That is for Kafka, whose client takes every record apart in Python. What a `Preparer` makes of
    records there comes with them, see `Prepared`; `prepare` gives one and must be picklable.
    """
    stream = _stream(settings)
    reader = stream.reader(settings)  # says at once what is wrong with the settings
    return ReaderApart(partial(stream.reader, settings), prepare) if stream.apart else reader


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
