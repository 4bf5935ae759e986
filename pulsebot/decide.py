"""Deciding: what the rules find becomes alerts, notifications and the reasons for both.

Rules and routes decide (pure); this module carries their state and their findings into the
transaction of the batch that caused them. A notification's id names what it is about, so
deciding the same again can never send it twice. It must not know any chat.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from zoneinfo import ZoneInfo

from pulsebot import message as messages
from pulsebot.event import Event
from pulsebot.message import Message
from pulsebot.routing.route import route
from pulsebot.routing.wording import message_of, subject_of
from pulsebot.rules.alert import Alert, Transition, key_text
from pulsebot.rules.engine import Engine, Entry, Outcome
from pulsebot.ruleset import Ruleset
from pulsebot.sift import Batch
from pulsebot.store import alerts, decisions, marks, outbox, spells
from pulsebot.store.database import Connection
from pulsebot.store.decisions import Decision
from pulsebot.store.outbox import Draft

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

    def evaluate(self, batch: Batch) -> list[Outcome]:
        """Evaluate events, each with its event time and its log time, in their order.

        What is found, and what changed in the rules' state, is for `keep` to write.
        """
        engine = self._engine
        # Most are of no rule's concern, and those of a group are so or not together.
        concerning = [group for group in batch.groups if engine.concerns(group.sample)]
        outcomes: list[Outcome] = []
        for event, time_ms, log_ms, _ in batch.each(concerning):
            outcomes.extend(engine.process(event, log_ms, time_ms))
        return outcomes

    def advance(self, connection: Connection, now_ms: int) -> None:
        """Let time pass up to `now_ms`: what was due before it happens at its own time."""
        self.keep(connection, self._engine.advance(now_ms), now_ms)

    def keep(self, connection: Connection, outcomes: Sequence[Outcome], now_ms: int) -> None:
        """Write what changed in the rules' state, and tell what was found."""
        dirty = self._engine.take_dirty()
        alerts.save_states(connection, dirty)
        alerts.save(connection, _alerts(dirty, outcomes))
        spells.add(connection, outcomes)
        for outcome in outcomes:
            self._tell(connection, outcome, now_ms)
            self.totals[outcome.transition.value] += 1

    def _tell(self, connection: Connection, outcome: Outcome, now_ms: int) -> None:
        """Put the notifications of a finding into the outbox, and say why or why not."""
        match outcome.transition:
            case Transition.FIRED | Transition.EVENT:
                routed = route(self.ruleset.routes, subject_of(outcome))
                receivers, reason = routed.receivers, routed.reason
            case Transition.RESOLVED if outcome.alert:
                receivers = alerts.receivers(connection, outcome.alert.id)
                reason = "told those who were told that it fires"
            case _:
                receivers, reason = (), _NOT_TOLD[outcome.transition]
        if outcome.alert and outcome.transition is Transition.FIRED:
            alerts.told(connection, outcome.alert.id, receivers)
        if outcome.alert and outcome.transition is Transition.DROPPED:
            alerts.drop(connection, outcome.alert.id)
        if receivers:
            said = message_of(outcome, self._zone)
            outbox.add(connection, _drafts(outcome, receivers, said), now_ms)
        decisions.add(connection, [_decision(outcome, receivers, reason)])


_NOT_TOLD = {
    Transition.PENDING: "not yet: it has to last",
    Transition.DROPPED: "it ended before it was worth telling",
    Transition.REFUSED: "the rule follows too many keys",
    Transition.RESOLVED: "nobody was told that it fires",
}


def _alerts(dirty: Iterable[Entry], outcomes: Iterable[Outcome]) -> list[Alert]:
    """Return every alert that changed, the latest of each, ended ones included."""
    changed = {o.alert.id: o.alert for o in outcomes if o.alert}
    changed.update({entry.alert.id: entry.alert for entry in dirty if entry.alert})
    return list(changed.values())


def _drafts(outcome: Outcome, receivers: Sequence[str], said: Message) -> list[Draft]:
    if outcome.alert:
        about, origin, alert_id = outcome.alert.id, "alert", outcome.alert.id
    else:
        rule = outcome.rule.id if outcome.rule else ""
        about, origin, alert_id = f"{rule}-{_identity(outcome.event)}", "event", None
    encoded = messages.encode(said)
    return [
        Draft(
            outbox.name(about, outcome.transition.value, to),
            to,
            encoded,
            origin,
            PRIORITY,
            alert_id,
        )
        for to in receivers
    ]


def _identity(event: Event | None) -> str:
    return marks.identity(event.service, event.id).hex() if event else ""


def _decision(outcome: Outcome, receivers: tuple[str, ...], reason: str) -> Decision:
    event, alert = outcome.event, outcome.alert
    service = event.service if event else alert.fields.get("service") if alert else None
    rule = outcome.rule.id if outcome.rule else alert.rule if alert else None
    return Decision(
        at_ms=outcome.at_ms,
        outcome=f"{outcome.transition.value}: {'told' if receivers else 'not told'}",
        reason=f"{outcome.reason}; {reason}" if outcome.reason else reason,
        service=service,
        rule=rule,
        key=key_text(outcome.key),
        alert_id=alert.id if alert else None,
        event_id=event.id if event else None,
        receivers=receivers,
    )
