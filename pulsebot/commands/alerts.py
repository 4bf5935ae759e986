"""`/alerts`: what is firing, what fired in a window, or what was firing at a moment."""

from collections.abc import Sequence
from dataclasses import dataclass

from pulsebot.commands.base import (
    MAX_ROWS,
    Question,
    forgotten,
    no_more,
    small_print,
    split_service,
    the_past,
)
from pulsebot.message import Message, Note, Part, Table, Text
from pulsebot.moment import Moment
from pulsebot.phrases import moment, plural
from pulsebot.store import alerts as store
from pulsebot.store import decisions, history, spells, verdicts
from pulsebot.store.database import Connection
from pulsebot.store.decisions import Decision
from pulsebot.store.outbox import Fate
from pulsebot.store.spells import Spell
from pulsebot.store.verdicts import Verdict

MAX_REASON = 100
_DECISIONS = 20
_NEWS = {"pending": "pending", "firing": "fired"}


@dataclass(frozen=True, slots=True)
class Told:
    """An alert's spell, and what was decided about telling of it.

    `verdict` is None where that is not kept any more; `receivers`, who was told, outlives it.
    """

    spell: Spell
    verdict: Verdict | None
    receivers: tuple[str, ...]


def alerts(connection: Connection, question: Question) -> Message:
    """Show what is firing, or was in a window or at a time: why, and who was told."""
    words, then = question.past()
    service, rest = split_service(connection, question, words)
    if then is not None:
        no_more(rest)
        found = told_at(connection, then.at_ms, service)
        title = _count(found, service, then)
        print_ = (
            *forgotten("alerts", _kept_ms(connection), then.at_ms, question.zone),
            *the_past(connection, then),
            *small_print(question),
        )
        return _message(title, found, question, print_)
    if rest:
        span = question.timespan(rest, "today")
        found = told_within(connection, span.start_ms, span.end_ms, service)
        of = f" of {service}" if service else ""
        title = f"{plural(len(found), 'alert') if found else 'no alert'}{of} {span.label}"
        kept = forgotten("alerts", _kept_ms(connection), span.start_ms, question.zone)
        return _message(title, found, question, (*kept, *small_print(question, span)))
    found = told_at(connection, question.now_ms, service)
    return _message(_count(found, service), found, question, small_print(question))


def told_at(connection: Connection, at_ms: int, service: str | None = None) -> list[Told]:
    """Return what was firing or pending at a moment: firing first, then the newest."""
    return _told(connection, spells.at(connection, at_ms, service))


def told_within(
    connection: Connection, start_ms: int, end_ms: int, service: str | None = None
) -> list[Told]:
    """Return what was firing at any time of [start_ms, end_ms): what still is first, newest."""
    return _told(connection, spells.fired_within(connection, start_ms, end_ms, service))


def _told(connection: Connection, found: Sequence[Spell]) -> list[Told]:
    """Join the verdicts of those that are shown; there may be very many."""
    ids = [spell.alert for spell in found[:MAX_ROWS]]
    decided = decisions.of_alerts(connection, ids, _DECISIONS)
    return [_one(connection, spell, decided.get(spell.alert, ())) for spell in found]


def _one(connection: Connection, spell: Spell, decided: Sequence[Decision]) -> Told:
    news = f"{_NEWS[spell.state]}:"
    about = [d for d in decided if d.outcome.startswith(news)]
    if about:
        return Told(spell, verdicts.on(connection, about[:1])[0], about[0].receivers)
    told = store.receivers(connection, spell.alert) if spell.state == "firing" else ()
    return Told(spell, None, told)


def _kept_ms(connection: Connection) -> int | None:
    return history.kept_since(connection, "alert_spell")


def _count(found: Sequence[Told], service: str | None, then: Moment | None = None) -> str:
    """Say how many there are of each state, as a sentence."""
    firing, pending = (
        sum(told.spell.state == state for told in found) for state in ("firing", "pending")
    )
    many = plural(firing, "alert") if firing else "nothing"
    of = f" of {service}" if service else ""
    verb = ("were" if then else "are") if firing > 1 else ("was" if then else "is")
    also = f", {pending} pending" if pending else ""
    when = f"{',' if also else ''} at {then.describe()}" if then else ""
    return f"{many}{of} {verb} firing{also}{when}"


def _message(
    title: str, found: Sequence[Told], question: Question, print_: tuple[Note, ...]
) -> Message:
    parts: list[Part] = []
    if found:
        rows = tuple(_row(told, question) for told in found[:MAX_ROWS])
        header = ("service", "rule", "severity", "since", "until", "because", "told")
        parts.append(Table(header, rows))
    if len(found) > MAX_ROWS:
        parts.append(Text(f"… and {len(found) - MAX_ROWS} older ones"))
    return Message(title, (*parts, *print_))


def _row(told: Told, question: Question) -> tuple[str, ...]:
    spell = told.spell
    return (
        spell.service or "–",
        spell.rule,
        spell.severity,
        moment(spell.since_ms, question.zone),
        _until(spell, question),
        spell.reason[:MAX_REASON],
        _who(told, question),
    )


def _until(spell: Spell, question: Question) -> str:
    if spell.until_ms is None:
        return "still pending" if spell.state == "pending" else "–"
    ended = moment(spell.until_ms, question.zone)
    return f"{ended} ({spell.became})" if spell.state == "pending" else ended


def _who(told: Told, question: Question) -> str:
    """Say who was told, whether it arrived, and by which route; or why nobody was."""
    verdict = told.verdict
    if verdict is None:
        return f"{', '.join(told.receivers) or 'nobody'}; why is not kept any more"
    why = verdict.decision.reason.removeprefix(told.spell.reason).removeprefix("; ")
    if not verdict.fates:
        return f"nobody; {why}"[:MAX_REASON]
    who = ", ".join(f"{to}{_fate(fate, question)}" for to, fate in verdict.fates)
    return f"{who}; {why}"


def _fate(fate: Fate | None, question: Question) -> str:
    if fate is None:
        return ""
    if fate.state == "sent" and fate.sent_ms is not None:
        return f" {moment(fate.sent_ms, question.zone)}"
    return f" (failed: {fate.error})"[:MAX_REASON] if fate.state == "failed" else f" ({fate.state})"
