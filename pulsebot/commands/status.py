"""`/status`: how services are doing."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from pulsebot.commands.base import MAX_ROWS, Question, find_service, no_more, small_print
from pulsebot.commands.past import TROUBLE, WORST_FIRST, status_at
from pulsebot.message import Fields, Message, Note, Part, Table, Text
from pulsebot.phrases import ago, length, moment, plural, size
from pulsebot.store import alerts, counts, messages, services, statuses
from pulsebot.store.database import Connection
from pulsebot.store.statuses import Change, Instance

STALE_MS = 5 * 60_000
"""An instance not heard of for longer is marked: its status may no longer hold."""

_CHANGES = 5


def status(connection: Connection, question: Question) -> Message:
    """Show the running status of all services, or of one with its instances, now or at a time."""
    words, then = question.past()
    service = find_service(connection, words[0]) if words else None
    no_more(words[1:])
    if then is not None:
        return status_at(connection, question, service, then)
    if service is not None:
        return _of_one(connection, question, service)
    return _of_all(connection, question)


def worst(instances: Sequence[Instance]) -> str:
    """Return the worst state among instances; an unheard-of service is `unknown`."""
    states = {instance.state for instance in instances}
    return next((state for state in WORST_FIRST if state in states), "unknown")


def by_service(instances: Sequence[Instance]) -> dict[str, list[Instance]]:
    """Group instances by their service, in the order given."""
    groups: dict[str, list[Instance]] = defaultdict(list)
    for instance in instances:
        groups[instance.service].append(instance)
    return groups


@dataclass(frozen=True, slots=True)
class Standing:
    """How a service is doing: its worst state and since when, how many instances are up of all.

    `seen_ms` is when one of its instances was last heard of.
    """

    service: str
    state: str
    up: int
    instances: int
    since_ms: int
    seen_ms: int

    @classmethod
    def of(cls, service: str, instances: Sequence[Instance]) -> "Standing":
        """Return how a service with these instances, one at least, is doing."""
        state = worst(instances)
        return cls(
            service,
            state,
            up=sum(i.state == "up" for i in instances),
            instances=len(instances),
            since_ms=max(i.since_ms for i in instances if i.state == state),
            seen_ms=max(i.seen_ms for i in instances),
        )


def standings(connection: Connection) -> tuple[list[Standing], list[str]]:
    """Return how every service is doing, the worst first; and those that never told a status."""
    groups = by_service(statuses.instances(connection))
    found = [Standing.of(name, group) for name, group in groups.items()]
    found.sort(key=lambda standing: (WORST_FIRST.index(standing.state), standing.service))
    return found, [name for name in services.names(connection) if name not in groups]


def _of_all(connection: Connection, question: Question) -> Message:
    ranked, silent = standings(connection)
    rows = tuple(_service_row(standing, question.now_ms) for standing in ranked[:MAX_ROWS])
    parts: list[Part] = []
    if rows:
        parts.append(Table(("service", "state", "up", "for", "heard"), rows))
    if len(ranked) > MAX_ROWS:
        parts.append(Text(f"… and {len(ranked) - MAX_ROWS} more services, none of them worse"))
    if silent:
        more = ", …" if len(silent) > MAX_ROWS else ""
        parts.append(Text(f"No status ever came from: {', '.join(silent[:MAX_ROWS])}{more}"))
    firing = alerts.open_alerts(connection)
    parts.extend(_firing(firing, question))
    return Message(_title(ranked, len(firing)), (*parts, *small_print(question)))


def _title(ranked: Sequence[Standing], firing: int) -> str:
    found = [plural(len(ranked), "service")] if ranked else ["no status has arrived yet"]
    if bad := sum(standing.state in TROUBLE for standing in ranked):
        found.append(f"{bad} in trouble")
    if firing:
        found.append(f"{plural(firing, 'alert')} firing")
    return ", ".join(found if len(found) > 1 or not ranked else [*found, "all well"])


def _firing(firing: Sequence[tuple[str, str, str, str, int]], question: Question) -> list[Part]:
    rows = tuple(
        (service or "–", rule, severity, ago(fired_ms, question.now_ms), reason[:60])
        for rule, service, severity, reason, fired_ms in firing[:MAX_ROWS]
    )
    if not rows:
        return []
    more = [Text(f"… and {len(firing) - MAX_ROWS} more alerts")] if len(firing) > MAX_ROWS else []
    return [Table(("firing", "rule", "severity", "since", "because"), rows), *more]


def _service_row(standing: Standing, now_ms: int) -> tuple[str, ...]:
    return (
        standing.service,
        standing.state,
        f"{standing.up} of {standing.instances}",
        length(max(0, now_ms - standing.since_ms)),
        _heard(standing.seen_ms, now_ms),
    )


def stale(seen_ms: int, now_ms: int) -> bool:
    """Tell whether what was last heard of is too old to go by."""
    return now_ms - seen_ms > STALE_MS


def _heard(seen_ms: int, now_ms: int) -> str:
    return ago(seen_ms, now_ms) + (" (stale)" if stale(seen_ms, now_ms) else "")


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
                f"counted when {'it' if heard.clamped == 1 else 'they'} arrived:"
                " check the clock of this service."
            )
        )
    title = f"{service} is {worst(instances)}" if instances else f"{service}: no status ever came"
    return Message(title, (*parts, *small_print(question)))


def _facts(connection: Connection, question: Question, service: str) -> tuple[tuple[str, str], ...]:
    facts = [
        (f"{counted}s today".replace("crashs", "crashes"), f"{count:,}")
        for counted, count in counted_today(connection, question, service).items()
    ]
    said = messages.latest(connection, service, 1)
    if said:
        at_ms, level, text = said[0]
        facts.append((f"last message ({level})", f"{text[:200]} ({ago(at_ms, question.now_ms)})"))
    return tuple(facts)


def counted_today(connection: Connection, question: Question, service: str) -> dict[str, int]:
    """Return the triggers, crashes and restarts of a service today, by what is counted."""
    today = question.timespan((), "today")
    return {
        counted: counts.total(connection, counted, service, today.start_ms, today.end_ms)
        for counted in ("trigger", "crash", "restart")
    }


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


def latest_changes(connection: Connection, question: Question, service: str) -> Sequence[Change]:
    """Return a service's few latest changes of the last 7 days, newest first."""
    span = question.timespan((), "7d")
    return statuses.changes(connection, service, span.start_ms, span.end_ms, _CHANGES)


def _history(connection: Connection, question: Question, service: str) -> list[Part]:
    changes = latest_changes(connection, question, service)
    lines = [
        f"{moment(c.at_ms, question.zone)}  {c.instance or service}: "
        f"{c.previous or 'first seen'} → {c.state}" + (f" ({c.reason})" if c.reason else "")
        for c in changes
    ]
    return [Text("\n".join(["Latest changes:", *lines]))] if lines else []
