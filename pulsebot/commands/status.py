"""`/status`: how services are doing."""

from collections import defaultdict
from collections.abc import Sequence

from pulsebot.commands.base import MAX_ROWS, Question, find_service, small_print
from pulsebot.message import Fields, Message, Note, Part, Table, Text
from pulsebot.phrases import ago, length, moment, plural, size
from pulsebot.store import alerts, counts, messages, services, statuses
from pulsebot.store.database import Connection
from pulsebot.store.statuses import Instance

STALE_MS = 5 * 60_000
"""An instance not heard of for longer is marked: its status may no longer hold."""

_WORST_FIRST = ("down", "degraded", "unknown", "starting", "stopped", "up")
_CHANGES = 5


def status(connection: Connection, question: Question) -> Message:
    """Show the running status of all services, or of one with its instances."""
    if question.words:
        return _of_one(connection, question, find_service(connection, question.words[0]))
    return _of_all(connection, question)


def worst(instances: Sequence[Instance]) -> str:
    """Return the worst state among instances; an unheard-of service is `unknown`."""
    states = {instance.state for instance in instances}
    return next((state for state in _WORST_FIRST if state in states), "unknown")


def by_service(instances: Sequence[Instance]) -> dict[str, list[Instance]]:
    """Group instances by their service, in the order given."""
    groups: dict[str, list[Instance]] = defaultdict(list)
    for instance in instances:
        groups[instance.service].append(instance)
    return groups


def _of_all(connection: Connection, question: Question) -> Message:
    groups = by_service(statuses.instances(connection))
    silent = [name for name in services.names(connection) if name not in groups]
    ranked = sorted(groups.items(), key=lambda item: (_WORST_FIRST.index(worst(item[1])), item[0]))
    rows = tuple(_service_row(name, group, question.now_ms) for name, group in ranked[:MAX_ROWS])
    parts: list[Part] = []
    if rows:
        parts.append(Table(("service", "state", "up", "for", "heard"), rows))
    if len(ranked) > MAX_ROWS:
        parts.append(Text(f"… and {len(ranked) - MAX_ROWS} more services, none of them worse"))
    if silent:
        more = ", …" if len(silent) > MAX_ROWS else ""
        parts.append(Text(f"No status ever came from: {', '.join(silent[:MAX_ROWS])}{more}"))
    parts.extend(_firing(connection, question))
    bad = sum(worst(group) in {"down", "degraded"} for group in groups.values())
    title = f"{plural(len(groups), 'service')}, " + (f"{bad} in trouble" if bad else "all well")
    if not groups:
        title = "no status has arrived yet"
    return Message(title, (*parts, *small_print(question)))


def _firing(connection: Connection, question: Question) -> list[Part]:
    firing = alerts.open_alerts(connection)
    rows = tuple(
        (service or "–", rule, severity, ago(fired_ms, question.now_ms), reason[:60])
        for rule, service, severity, reason, fired_ms in firing[:MAX_ROWS]
    )
    if not rows:
        return []
    more = [Text(f"… and {len(firing) - MAX_ROWS} more alerts")] if len(firing) > MAX_ROWS else []
    return [Table(("firing", "rule", "severity", "since", "because"), rows), *more]


def _service_row(name: str, instances: list[Instance], now_ms: int) -> tuple[str, ...]:
    state = worst(instances)
    since_ms = max(i.since_ms for i in instances if i.state == state)
    seen_ms = max(i.seen_ms for i in instances)
    up = sum(i.state == "up" for i in instances)
    return (
        name,
        state,
        f"{up} of {len(instances)}",
        length(max(0, now_ms - since_ms)),
        _heard(seen_ms, now_ms),
    )


def _heard(seen_ms: int, now_ms: int) -> str:
    stale = " (stale)" if now_ms - seen_ms > STALE_MS else ""
    return ago(seen_ms, now_ms) + stale


def _of_one(connection: Connection, question: Question, service: str) -> Message:
    instances = statuses.instances(connection, service)
    parts: list[Part] = [Fields(_facts(connection, question, service))]
    if instances:
        rows = tuple(_instance_row(i, question.now_ms) for i in instances[:MAX_ROWS])
        parts.append(Table(("instance", "state", "for", "cpu", "memory", "heard", "reason"), rows))
    parts.extend(_history(connection, question, service))
    heard = services.find(connection, service)
    if heard and heard.clamped:
        parts.append(
            Note(
                f"{plural(heard.clamped, 'event')} had an absurd time and "
                "counted when they arrived: check the clock of this service."
            )
        )
    title = f"{service} is {worst(instances)}" if instances else f"{service}: no status ever came"
    return Message(title, (*parts, *small_print(question)))


def _facts(connection: Connection, question: Question, service: str) -> tuple[tuple[str, str], ...]:
    today = question.timespan((), "today")
    facts = [
        (f"{counted}s today".replace("crashs", "crashes"),
         f"{counts.total(connection, counted, service, today.start_ms, today.end_ms):,}")
        for counted in ("trigger", "crash", "restart")
    ]  # fmt: skip
    said = messages.latest(connection, service, 1)
    if said:
        at_ms, level, text = said[0]
        facts.append((f"last message ({level})", f"{text[:200]} ({ago(at_ms, question.now_ms)})"))
    return tuple(facts)


def _instance_row(instance: Instance, now_ms: int) -> tuple[str, ...]:
    return (
        instance.instance or "–",
        instance.state,
        length(max(0, now_ms - instance.since_ms)),
        "–" if instance.cpu is None else f"{instance.cpu:.0f} %",
        size(instance.rss),
        _heard(instance.seen_ms, now_ms),
        (instance.reason or "")[:60],
    )


def _history(connection: Connection, question: Question, service: str) -> list[Part]:
    span = question.timespan((), "7d")
    changes = statuses.changes(connection, service, span.start_ms, span.end_ms, _CHANGES)
    lines = [
        f"{moment(c.at_ms, question.zone)}  {c.instance or service}: "
        f"{c.previous or 'first seen'} → {c.state}" + (f" ({c.reason})" if c.reason else "")
        for c in changes
    ]
    return [Text("\n".join(["Latest changes:", *lines]))] if lines else []
