"""Deciding: what the rules find becomes alerts, notifications and the reasons for both.

Rules and routes decide (pure); this module carries their state and their findings into the
transaction of the batch that caused them. A notification's id is a hash of what it is about,
so deciding the same again can never send it twice. It must not know any chat.
"""

from collections import Counter
from collections.abc import Iterable
from zoneinfo import ZoneInfo

from pulsebot.event import Event
from pulsebot.rules.engine import Engine, Outcome
from pulsebot.ruleset import Ruleset
from pulsebot.store import alerts
from pulsebot.store.database import Connection

PRIORITY = 0
"""Alerts and app messages overtake digests."""


class Decider:
    """Evaluates one set of rules; call `load` first and after every transaction that failed."""

    def __init__(self, ruleset: Ruleset, zone: ZoneInfo) -> None:
        self.ruleset = ruleset
        self.totals: Counter[str] = Counter()
        self._zone = zone
        self._engine = Engine(ruleset.rules)

    def load(self, connection: Connection) -> None:
        """Take over the state that the last committed transaction left."""
        self._engine = Engine(self.ruleset.rules)
        self._engine.load(alerts.load_states(connection))

    def decide(
        self, connection: Connection, arrivals: Iterable[tuple[Event, int, int]], now_ms: int
    ) -> None:
        """Evaluate events, each with its event time and its log time, in their order."""
        process = self._engine.process
        outcomes: list[Outcome] = []
        for event, time_ms, log_ms in arrivals:
            if found := process(event, log_ms, time_ms):
                outcomes.extend(found)
        self._keep(connection, outcomes, now_ms)

    def advance(self, connection: Connection, now_ms: int) -> None:
        """Let time pass up to `now_ms`: what was due before it happens at its own time."""
        self._keep(connection, self._engine.advance(now_ms), now_ms)
