"""Verdicts: what was decided about a service's alerts and events, why, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from pulsebot.store import decisions, marks, outbox
from pulsebot.store.database import Connection
from pulsebot.store.decisions import Decision
from pulsebot.store.outbox import Fate

SHOWN = 50


@dataclass(frozen=True, slots=True)
class Verdict:
    """One decision, and by receiver what became of its message (None: no longer known)."""

    decision: Decision
    fates: tuple[tuple[str, Fate | None], ...]


def of_service(connection: Connection, service: str) -> list[Verdict]:
    """Return the newest verdicts about a service, newest first."""
    return on(connection, decisions.of_service(connection, service, SHOWN))


def on(connection: Connection, found: Sequence[Decision]) -> list[Verdict]:
    """Return what came of decisions, in their order."""
    ids = {(d, to): _draft(d, to) for d in found for to in d.receivers}
    fates = outbox.fates(connection, list(ids.values()))
    return [Verdict(d, tuple((to, fates.get(ids[d, to])) for to in d.receivers)) for d in found]


def _draft(decision: Decision, receiver: str) -> str:
    """Return the id of the message that a decision made, as `decide` gives it."""
    transition = decision.outcome.partition(":")[0]
    if decision.alert_id:
        return outbox.name(decision.alert_id, transition, receiver)
    identity = marks.identity(decision.service or "", decision.event_id or "").hex()
    return outbox.name(f"{decision.rule or ''}-{identity}", transition, receiver)
