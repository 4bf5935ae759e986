"""What tests have the reading process do; a module of its own, as that process imports it."""

from collections.abc import Sequence

from pulsebot.stream.base import Reader, Record


class Counter:
    """Counts the records that it is given."""

    def __init__(self) -> None:
        self._count = 0

    def take(self, records: Sequence[Record]) -> None:
        """Count them."""
        self._count += len(records)

    def made(self) -> bytes:
        """Return the count as text."""
        return str(self._count).encode()


def impossible() -> Reader:
    """Fail in a way that nobody foresaw."""
    raise ZeroDivisionError("nobody foresaw this")
