"""A database with a past: events go in by the production intake, at the times they say."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from pulsebot.decide import Decider
from pulsebot.event import Event, encode
from pulsebot.intake import Intake
from pulsebot.ruleset import Ruleset
from pulsebot.settings import Clock
from pulsebot.store.database import Connection, connect, migrate, transaction

NO_RULES = Ruleset((), (), {}, (), "")


@dataclass(frozen=True, slots=True)
class Said:
    """A record whose log time is its event's own time."""

    value: bytes
    timestamp: int
    offset: int
    topic: str = "pulse"
    partition: int = 0
    headers: tuple[tuple[str, bytes], ...] = ()


class World:
    """One database file; `tell` takes events in."""

    def __init__(self, connection: Connection, ruleset: Ruleset = NO_RULES) -> None:
        self.connection = connection
        self.intake = Intake(Decider(ruleset, ZoneInfo("UTC")), Clock())
        self._offset = 0

    def tell(self, *events: Event) -> None:
        """Take events in, in one transaction."""
        records = [self.record(event) for event in events]
        self.apply(records)

    def record(self, event: Event) -> Said:
        """Return the next record of the log, holding an event."""
        self._offset += 1
        return Said(encode(event), event.time_ms, self._offset)

    def apply(self, records: Sequence[Said]) -> None:
        """Take records in, in one transaction."""
        with transaction(self.connection):
            self.intake.apply(self.connection, records, max(r.timestamp for r in records))

    def advance(self, now_ms: int) -> None:
        """Let time pass."""
        with transaction(self.connection):
            self.intake.advance(self.connection, now_ms)


@contextmanager
def world(path: Path, ruleset: Ruleset = NO_RULES) -> Iterator[World]:
    """Give a world in a new database file."""
    connection = connect(path)
    migrate(connection, path)
    yield World(connection, ruleset)
    connection.close()
