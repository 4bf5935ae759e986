"""Alerts: one episode of a rule for one key, from pending over firing to resolved.

The life of an alert is one pure function of the alert and of what the condition said. This
module must not know conditions by name, nor who is told.
"""

import hashlib
import json
from enum import Enum
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from pulsebot.rules.conditions.base import Step, Verdict
from pulsebot.rules.facts import Facts
from pulsebot.rules.rule import Rule, Severity

Key = tuple[tuple[str, str], ...]
"""What an alert is about: (field, value) pairs in the order of the condition's `by`."""

MAX_COUNT = 10**15


class Alert(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One episode. Times are logical, in ms; `last_ms` is event time.

    `kind`, `fields` and `tags` are those of the event that made it what it is: enough to say,
    when it resolves, what it was about, and to route that to the same people. The field
    `reason` is why it fired; `reason` itself is why it is in the state it is in.
    """

    id: str
    rule: str
    key: Key
    severity: Severity
    state: Literal["pending", "firing", "resolved"]
    started_ms: int
    count: int
    reason: str
    last_ms: int
    kind: str
    labels: dict[str, str] = {}
    fields: dict[str, str] = {}
    tags: dict[str, str] = {}
    fired_ms: int | None = None
    resolved_ms: int | None = None


class Transition(Enum):
    """What became of an alert; EVENT and REFUSED are said without one."""

    NONE = "none"
    PENDING = "pending"
    FIRED = "fired"
    UPDATED = "updated"
    RESOLVED = "resolved"
    DROPPED = "dropped"
    EVENT = "event"
    REFUSED = "refused"


def alert_id(rule: str, key: Key, started_ms: int) -> str:
    """Return the id of an episode: the same for everybody who decides the same."""
    text = json.dumps([rule, key, started_ms])
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


class Origin(NamedTuple):
    """What an alert can come of: an event that a rule selected, under its key."""

    rule: Rule
    key: Key
    facts: Facts

    def alert(self, step: Step[Any], now_ms: int) -> Alert:
        """Return the pending alert that starts here and now."""
        return Alert(
            id=alert_id(self.rule.id, self.key, now_ms),
            rule=self.rule.id,
            key=self.key,
            severity=self.rule.severity,
            state="pending",
            started_ms=now_ms,
            count=step.events,
            reason=step.reason,
            last_ms=self.facts.time_ms,
            kind=self.facts.event.kind.value,
            labels=self.rule.labels,
            fields=self.facts.values(),
            tags=self.facts.event.data.tags,
        )


def transition(
    alert: Alert | None, step: Step[Any], origin: Origin | None, now_ms: int
) -> tuple[Alert | None, Transition]:
    """Return what an alert becomes by a step, and what kind of change that is.

    `origin` is the event at hand, None where time passed without one. An alert that is over
    is returned once, as resolved (or None where it never fired); it is not passed in again.
    """
    if step.verdict is Verdict.CLEAR:
        return _clear(alert, step, now_ms)
    if alert is None:
        if origin is None:
            return None, Transition.NONE
        alert = origin.alert(step, now_ms)
        if step.verdict is Verdict.PENDING:
            return alert, Transition.PENDING
        return _fired(alert, now_ms), Transition.FIRED
    updated = _updated(alert, step, origin)
    if step.verdict is Verdict.PENDING or alert.state == "firing":
        return updated, Transition.UPDATED
    if origin is not None:
        latest = origin.alert(step, now_ms)
        updated = replace(updated, fields=latest.fields, tags=latest.tags)
    return _fired(updated, now_ms), Transition.FIRED


def _clear(alert: Alert | None, step: Step[Any], now_ms: int) -> tuple[Alert | None, Transition]:
    if alert is None:
        return None, Transition.NONE
    if alert.state == "pending":
        return None, Transition.DROPPED
    over = replace(alert, state="resolved", resolved_ms=now_ms, reason=step.reason)
    return over, Transition.RESOLVED


def _fired(alert: Alert, now_ms: int) -> Alert:
    fields = alert.fields | {"reason": alert.reason}
    return replace(alert, state="firing", fired_ms=now_ms, fields=fields)


def _updated(alert: Alert, step: Step[Any], origin: Origin | None) -> Alert:
    return replace(
        alert,
        count=min(alert.count + step.events, MAX_COUNT),
        reason=step.reason or alert.reason,
        last_ms=max(alert.last_ms, origin.facts.time_ms) if origin else alert.last_ms,
    )


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Alert)


def encode(alert: Alert) -> bytes:
    """Encode an alert for keeping."""
    return _encoder.encode(alert)


def decode(value: bytes) -> Alert:
    """Decode what `encode` made; raises msgspec.DecodeError on anything else."""
    return _decoder.decode(value)


def key_text(key: Key) -> str:
    """Return a key as text, for a column: JSON, one to one."""
    return json.dumps(key, ensure_ascii=False, separators=(",", ":"))


def key_of(text: str) -> Key:
    """Return the key that `key_text` wrote."""
    return tuple((field, value) for field, value in json.loads(text))
