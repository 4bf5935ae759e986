"""What tests have the reading process do; a module of its own, as that process imports it."""

from collections.abc import Sequence

from pulsebot.stream.base import Reader, Record


def sizes(records: Sequence[Record]) -> bytes:
    """Return how many records there are, as text."""
    return str(len(records)).encode()


def impossible() -> Reader:
    """Fail in a way that nobody foresaw."""
    raise ZeroDivisionError("nobody foresaw this")
