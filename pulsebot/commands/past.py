"""The running status at a moment of the past, in words; and the order of states in all answers."""

from zoneinfo import ZoneInfo

from pulsebot.commands.base import MAX_ROWS, Question, small_print, the_past
from pulsebot.message import Message, Note, Part, Table, Text
from pulsebot.moment import Moment
from pulsebot.phrases import instant, moment, plural
from pulsebot.store import history
from pulsebot.store.database import Connection
from pulsebot.store.history import Known, Statuses

WORST_FIRST = ("down", "degraded", "unknown", "starting", "stopped", "up")
TROUBLE = frozenset({"down", "degraded"})


def status_at(
    connection: Connection, question: Question, service: str | None, then: Moment
) -> Message:
    """Return what the history tells of a moment, of one service or of all."""
    past = history.statuses_at(connection, then.at_ms, service)
    rows = tuple(_past_row(known, question.zone) for known in _worst_known(past)[:MAX_ROWS])
    parts: list[Part] = []
    if rows:
        parts.append(Table(("service", "instance", "state", "since", "reason"), rows))
    if len(past.known) > MAX_ROWS:
        parts.append(Text(f"… and {len(past.known) - MAX_ROWS} more instances, none of them worse"))
    parts.extend(_unknown(past, question))
    return Message(
        f"{_verdict(past, service)} at {then.describe()}",
        (*parts, *the_past(connection, then), *small_print(question)),
    )


def _verdict(past: Statuses, service: str | None) -> str:
    names = {known.service for known in past.known}
    if not names:
        return f"{service + ': ' if service else ''}no status is known"
    bad = {known.service for known in past.known if known.state in TROUBLE}
    if service:
        states = {known.state for known in past.known}
        return f"{service} was {next(state for state in WORST_FIRST if state in states)}"
    return f"{plural(len(names), 'service')}: {f'{len(bad)} in trouble' if bad else 'all well'}"


def _worst_known(past: Statuses) -> list[Known]:
    return sorted(past.known, key=lambda k: (WORST_FIRST.index(k.state), k.service, k.instance))


def _past_row(known: Known, zone: ZoneInfo) -> tuple[str, ...]:
    since = "longer than is kept" if known.since_ms is None else moment(known.since_ms, zone)
    heard_ms = known.last_heard_ms
    silent = "" if heard_ms is None else f"not heard of after {moment(heard_ms, zone)}"
    reason = "; ".join(filter(None, ((known.reason or "")[:60], silent)))
    return known.service, known.instance or "–", known.state, since, reason


def _unknown(past: Statuses, question: Question) -> list[Part]:
    """Say of whom nothing is known, and why: they came later, or it is not kept any more."""
    first = [unknown.first_ms for unknown in past.unknown if unknown.first_ms is not None]
    lost = len(past.unknown) - len(first)
    parts: list[Part] = []
    if first:
        began = instant(min(first), question.zone, year=True)
        parts.append(
            Note(f"{plural(len(first), 'instance')} told no status until later: from {began} on.")
        )
    if lost and past.kept_since_ms is not None:
        kept = instant(past.kept_since_ms, question.zone, year=True)
        parts.append(Note(f"Of {plural(lost, 'instance')} nothing before {kept} is kept."))
    return parts
