"""Wording: what people read when a rule finds something.

A finding becomes a Message: a title in one line, the facts, the stack where there is one,
and in small print why. This module must not know any chat's markup.
"""

import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import cast
from zoneinfo import ZoneInfo

from pulsebot.civil import local_time
from pulsebot.event import AppMessage, Crash, Status
from pulsebot.message import Code, Fields, Link, Message, Note, Part, Severity, Text
from pulsebot.phrases import instant
from pulsebot.routing.route import Subject
from pulsebot.rules.alert import Transition
from pulsebot.rules.engine import Outcome
from pulsebot.rules.facts import Facts
from pulsebot.rules.template import fill
from pulsebot.timespan import format_duration

MAX_TITLE = 250
HOUR_MS = 3_600_000
MAX_STACK_LINES = 30
MAX_STACK = 4000

DEFAULT_TEXTS = {
    "trigger": "{service}: {reason}",
    "crash": "{service} crashed: {error}",
    "status": "{service} {instance} is {state}",
    "message": "{service}: {title}",
}
"""What a rule without a `text` says, by the kind of event."""

_WITHOUT = {
    ("status", "instance"): "{service} is {state}",
    ("message", "title"): "{service}: {reason}",
}
"""The same where the event lacks a field."""


def subject_of(outcome: Outcome) -> Subject:
    """Return what routes look at; a resolved alert is routed as it was when it fired."""
    values, tags = _values(outcome)
    alert, rule = outcome.alert, outcome.rule
    labels = alert.labels if alert else rule.labels if rule else {}
    return Subject(
        rule=values["rule"],
        severity=values["severity"],
        kind=values.get("kind", ""),
        service=values.get("service", ""),
        level=values.get("level", ""),
        tags=tags,
        labels=labels,
    )


def message_of(outcome: Outcome, zone: ZoneInfo) -> Message:
    """Say what was found; times are given in `zone`."""
    if outcome.transition is Transition.RESOLVED:
        return _resolved(outcome, zone)
    if isinstance(outcome.event, AppMessage) and outcome.alert is None:
        return _app_message(outcome, outcome.event)
    _, rest = _texts(outcome)
    parts: list[Part] = [Text(rest)] if rest else []
    parts.append(Fields(_fields(outcome, zone)))
    if isinstance(outcome.event, Crash) and outcome.event.data.stack:
        parts.append(Code(shortened(outcome.event.data.stack)))
    parts.append(_small_print(outcome))
    return Message(_headline(outcome), tuple(parts), _severity(outcome))


def shortened(stack: str) -> str:
    """Return the last lines of a stack trace, which tell most, within bounds."""
    lines = stack.rstrip().splitlines()
    kept = "\n".join(lines[-MAX_STACK_LINES:])[-MAX_STACK:]
    return kept if len(kept) == len(stack.rstrip()) else f"…\n{kept}"


def _resolved(outcome: Outcome, zone: ZoneInfo) -> Message:
    items = list(_fields(outcome, zone))
    if (alert := outcome.alert) and alert.fired_ms is not None:
        items.append(("lasted", _length(outcome.at_ms - alert.fired_ms)))
        items.append(("events", f"{alert.count:,}"))
    parts = (Fields(tuple(items)), _small_print(outcome))
    return Message(_headline(outcome, "resolved: "), parts, "resolved")


def _app_message(outcome: Outcome, event: AppMessage) -> Message:
    data = event.data
    title, text = f"{event.service}: {data.title}", data.text
    if outcome.rule and outcome.rule.text:
        title, _ = _texts(outcome)
    elif not data.title:
        first, _, text = data.text.strip().partition("\n")
        title = f"{event.service}: {first}"
    parts: list[Part] = [Text(text)] if text.strip() else []
    if data.link:
        parts.append(Link("open", data.link))
    parts.append(_small_print(outcome))
    return Message(_one_line(title), tuple(parts), data.level)


def _texts(outcome: Outcome) -> tuple[str, str]:
    """Return the first line of the rule's text, and the rest of it, both filled in.

    Line breaks in the values filled in do not make further lines of the title.
    """
    values, _ = _values(outcome)
    written = outcome.rule.text if outcome.rule else None
    first, _, rest = (written or _default(values)).strip().partition("\n")
    return fill(first, values), fill(rest, values)


def _default(values: Mapping[str, str]) -> str:
    kind = values.get("kind", "")
    for (of, field), text in _WITHOUT.items():
        if of == kind and not values.get(field):
            return text
    return DEFAULT_TEXTS.get(kind, "{rule}: {reason}")


def _values(outcome: Outcome) -> tuple[dict[str, str], dict[str, str]]:
    """Return what fields can be filled in, tags among them, and the tags alone."""
    alert, rule = outcome.alert, outcome.rule
    if alert is not None:
        values, tags, severity = dict(alert.fields), alert.tags, str(alert.severity)
    elif outcome.event is not None:
        values, tags = Facts(outcome.event, 0).values(), outcome.event.data.tags
        severity = str(rule.severity) if rule else ""
    else:
        values, tags, severity = dict(outcome.key), {}, ""
    values |= {f"tags.{name}": value for name, value in tags.items()}
    values |= {
        "rule": rule.id if rule else alert.rule if alert else "",
        "severity": severity,
        "count": f"{alert.count:,}" if alert else "1",
        "reason": values.get("reason") or outcome.reason,
    }
    return values, tags


def _fields(outcome: Outcome, zone: ZoneInfo) -> tuple[tuple[str, str], ...]:
    values, _ = _values(outcome)
    shown = [("service", values.get("service", ""))]
    shown += [(name, value) for name, value in outcome.key if name not in {"service", "instance"}]
    shown.append(("instance", values.get("instance", "")))
    event = outcome.event
    if isinstance(event, Crash):
        shown.append(("message", (event.data.message or "")[:500]))
        shown.append(("signal", event.data.signal or ""))
    if isinstance(event, Status):
        shown.append(("because", (event.data.reason or "")[:500]))
    shown.append(("when", _moment(outcome, zone)))
    return tuple((name.removeprefix("tags."), value) for name, value in shown if value)


def _moment(outcome: Outcome, zone: ZoneInfo) -> str:
    """Return the event's own time, else when it was found, as answers to commands say it.

    A time that no zone's calendar can hold gives way to that of the finding.
    """
    at_ms, event = outcome.at_ms, outcome.event
    if event is not None and date.min.year < event.time.year < date.max.year:
        at_ms = event.time_ms
    other_year = local_time(at_ms, zone).year != local_time(outcome.at_ms, zone).year
    return instant(at_ms, zone, year=other_year)


def _length(ms: int) -> str:
    """Return a length of time to the second, or to the minute from an hour on."""
    unit = 60_000 if ms >= HOUR_MS else 1000
    return format_duration(timedelta(milliseconds=ms - ms % unit))


def _small_print(outcome: Outcome) -> Note:
    rule = _values(outcome)[0]["rule"]
    alert = f" · alert {outcome.alert.id}" if outcome.alert else ""
    return Note(f"{outcome.reason} · rule {rule}{alert}")


def _severity(outcome: Outcome) -> Severity | None:
    return cast("Severity | None", _values(outcome)[0]["severity"] or None)


def _headline(outcome: Outcome, before: str = "") -> str:
    """Return the title with the rule that found it, unless its text names it by itself.

    Rules that find different things in one event are told apart by it.
    """
    title, _ = _texts(outcome)
    rule = _values(outcome)[0]["rule"]
    named = re.search(rf"(?<![\w-]){re.escape(rule)}(?![\w-])", title, re.IGNORECASE)
    after = "" if named else f" [{rule}]"
    return _one_line(before + title, MAX_TITLE - len(after)) + after


def _one_line(title: str, limit: int = MAX_TITLE) -> str:
    line = " ".join(title.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
