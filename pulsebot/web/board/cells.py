"""The cells of the roster: what each shows, as markup by its id.

A line's cells depend on the line and on the windows alone, so a line that stays the same is
not drawn again.
"""

from collections import Counter
from collections.abc import Iterable

from markupsafe import Markup

from pulsebot.store.messages import Kept
from pulsebot.web.board import charts, wording
from pulsebot.web.board.roster import SILENT, WORST_FIRST, Line
from pulsebot.web.board.spans import Spans

TROUBLE = ("down", "degraded")
_ZERO = Markup('<span class="zero">0</span>')


def of_line(line: Line, spans: Spans) -> dict[str, str]:
    """Return a line's cells by their short names."""
    return {
        "st": _state(line, spans),
        "tr": wording.number(line.counts.triggers),
        "sp": _spark(line, spans),
        "cd": _crashes(line.counts.crashes_today),
        "cw": _crashes(line.counts.crashes_week),
        "ms": _message(line.message, spans),
        "al": _alerts(line.alerts),
        "tg": _tags(line.tags),
    }


def of_summary(lines: Iterable[Line]) -> dict[str, str]:
    """Return the cells above the table: what all services come to."""
    states: Counter[str] = Counter()
    triggers = crashes = week = alerts = 0
    for line in lines:
        states[line.state] += 1
        triggers += line.counts.triggers
        crashes += line.counts.crashes_today
        week += line.counts.crashes_week
        alerts += len(line.alerts)
    return {
        "sum-services": wording.number(states.total()),
        "sum-states": _states(states),
        "sum-triggers": wording.number(triggers),
        "sum-crashes": _crashes(crashes) if crashes else wording.number(0),
        "sum-week": wording.number(week),
        "sum-alerts": _alerts(("",) * alerts) if alerts else wording.number(0),
    }


def _state(line: Line, spans: Spans) -> Markup:
    told = wording.state(line.state)
    if line.instances > 1:
        told += Markup(' <small class="of">{} of {} up</small>').format(line.up, line.instances)
    if line.stale_ms is not None:
        clock = wording.clock(line.stale_ms, spans.today_ms, spans.zone)
        told += Markup(' <small class="stale">last told {}</small>').format(clock)
    return told


def _spark(line: Line, spans: Spans) -> Markup:
    hourly = line.counts.hourly
    top = max(hourly)
    peak = spans.hours_ms[hourly.index(top)]
    label = f"most at {wording.hour(peak, spans.zone)}" if top else "none"
    return charts.spark(hourly, f"triggers of the last 24 hours: {label}")


def _crashes(count: int) -> str:
    return Markup('<b class="bad">{}</b>').format(wording.number(count)) if count else _ZERO


def _message(message: Kept | None, spans: Spans) -> str:
    if message is None:
        return "–"
    return Markup('{} <span class="level l-{}">{}</span> <bdi>{}</bdi>').format(
        wording.clock(message.at_ms, spans.today_ms, spans.zone),
        message.level,
        message.level,
        wording.short(message.text),
    )


def _alerts(severities: tuple[str, ...]) -> str:
    if not severities:
        return _ZERO
    return Markup('<b class="firing v-{}">{}</b>').format(severities[0], len(severities))


def _tags(tags: tuple[tuple[str, str], ...]) -> Markup:
    return Markup("").join(
        Markup('<span class="tag" title="{}">{}</span>').format(
            wording.one_line(f"{name}={value}"), value
        )
        for name, value in tags
    )


def _states(states: Counter[str]) -> Markup:
    order = (*WORST_FIRST, SILENT)
    return Markup(" ").join(
        Markup('<span class="state s-{}">{} {}</span>').format(
            name, states[name], "no status" if name == SILENT else name
        )
        for name in order
        if states[name]
    )
