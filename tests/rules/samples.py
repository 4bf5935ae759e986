"""Rules and events for the tests of rules and routes."""

from datetime import UTC, datetime, timedelta
from typing import Any

from pulsebot import event as events
from pulsebot.event import Crash, CrashData, State, Status, StatusData, Trigger, TriggerData
from pulsebot.rules.engine import Engine, Outcome
from pulsebot.rules.rule import Rule

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
NOON_MS = int(NOON.timestamp() * 1000)
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def rule(id: str = "r", **parts: Any) -> Rule:  # noqa: A002 - the key of a rule is called id
    """Make a rule: every crash counts unless told otherwise."""
    whole: dict[str, Any] = {
        "id": id,
        "when": {"kind": "crash"},
        "condition": {"type": "any"},
        "severity": "critical",
    }
    return Rule.model_validate(whole | parts)


def threshold(count: int = 3, within: str = "10m", **more: Any) -> dict[str, Any]:
    """Make a threshold condition."""
    return {"type": "threshold", "count": count, "within": within} | more


def at(ms: int) -> datetime:
    """Return the time so many milliseconds after noon."""
    return NOON + timedelta(milliseconds=ms)


def crash(ms: int = 0, service: str = "svc-a", **data: Any) -> Crash:
    """Make a crash so many milliseconds after noon."""
    return events.crash(service, at(ms), CrashData(**{"error": "ValueError"} | data), id=f"c{ms}")


def trigger(ms: int = 0, count: int = 1, service: str = "svc-a", **data: Any) -> Trigger:
    """Make a trigger so many milliseconds after noon."""
    return events.trigger(service, at(ms), TriggerData(count=count, **data), id=f"t{ms}")


def status(ms: int, state: str, instance: str = "a-1", **data: Any) -> Status:
    """Make a status so many milliseconds after noon."""
    data_ = StatusData(state=State(state), **data)
    return events.status("svc-a", at(ms), data_, instance=instance, id=f"s{ms}")


def feed(engine: Engine, *fed: events.Event) -> list[Outcome]:
    """Process events as they happen: logical time is event time."""
    return [o for e in fed for o in engine.process(e, e.time_ms, e.time_ms)]


def story(outcomes: list[Outcome]) -> list[tuple[str, int]]:
    """Return what was found and when, in milliseconds after noon."""
    return [(outcome.transition.value, outcome.at_ms - NOON_MS) for outcome in outcomes]
