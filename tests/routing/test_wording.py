from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pulsebot import event as events
from pulsebot.event import CrashData, MessageData
from pulsebot.message import Code, Fields, Link, Message, Note, Text, plain
from pulsebot.routing.wording import MAX_TITLE, message_of, shortened, subject_of
from pulsebot.rules.engine import Engine, Outcome
from tests.rules.samples import (
    HOUR,
    MINUTE,
    NOON,
    NOON_MS,
    crash,
    feed,
    rule,
    status,
    threshold,
    trigger,
)

BERLIN = ZoneInfo("Europe/Berlin")


def found(*fed: events.Event, **parts: Any) -> list[Outcome]:
    """Return what one rule finds in some events and the hour after them."""
    engine = Engine([rule("r-1", **parts)])
    return feed(engine, *fed) + engine.advance(NOON_MS + 2 * HOUR)


def said(*fed: events.Event, **parts: Any) -> Message:
    """Return what is said of the first finding."""
    return message_of(found(*fed, **parts)[0], BERLIN)


def test_a_crash_is_told_with_its_facts_its_stack_and_why() -> None:
    """The title comes from the rule's text, times are in the zone asked for."""
    message = said(
        crash(0, message="no 7", stack="Traceback\nValueError: no 7", tags={"env": "prod"}),
        text="{service} crashed: {error} in {tags.env} ({instance})",
        condition={"type": "fingerprint"},
    )
    assert message.title == "svc-a crashed: ValueError in prod (–) [r-1]"
    assert message.severity == "critical"
    fields, code, note = message.parts
    assert isinstance(fields, Fields)
    assert [label for label, _ in fields.items] == ["service", "fingerprint", "message", "when"]
    assert fields.items[-1] == ("when", "23 Nov 13:00 (Europe/Berlin, UTC+01:00)")
    assert code == Code("Traceback\nValueError: no 7")
    assert isinstance(note, Note)
    assert note.text.startswith("never seen before · rule r-1 · alert ")


@pytest.mark.parametrize(
    ("event", "parts", "title"),
    [
        (crash(), {}, "svc-a crashed: ValueError [r-1]"),
        (status(0, "down"), {"when": {"kind": "status"}}, "svc-a a-1 is down [r-1]"),
        (status(0, "down", ""), {"when": {"kind": "status"}}, "svc-a is down [r-1]"),
        (
            events.message("svc-a", NOON, MessageData(text="hello"), id="m"),
            {"when": {"kind": "message"}, "condition": threshold(1)},
            "svc-a: 1 message within 10m (threshold 1) [r-1]",
        ),
        (
            trigger(0, 7),
            {"when": {"kind": "trigger"}, "condition": threshold(5)},
            "svc-a: 7 triggers within 10m (threshold 5) [r-1]",
        ),
    ],
)
def test_a_rule_without_text_says_what_suits_the_kind(
    event: events.Event, parts: dict[str, Any], title: str
) -> None:
    """Each kind has a sensible default, also where the event says less."""
    assert said(event, **parts).title == title


def test_resolved_tells_the_same_title_how_long_it_took_and_how_much_it_was() -> None:
    """People recognise what is over, although no event is at hand."""
    outcome = found(
        crash(0),
        crash(MINUTE),
        text="{service} loops: {error}, {reason}",
        condition=threshold(2, "10m"),
    )[1]
    message = message_of(outcome, BERLIN)
    assert message.title == (
        "resolved: svc-a loops: ValueError, 2 crashes within 10m (threshold 2) [r-1]"
    )
    assert message.severity == "resolved"
    assert isinstance(message.parts[0], Fields)
    assert message.parts[0].items[-2:] == (("lasted", "9m"), ("events", "2"))
    assert subject_of(outcome) == subject_of(
        found(crash(0), crash(MINUTE), condition=threshold(2, "10m"))[0]
    )


def test_resolved_of_a_removed_rule_is_told_all_the_same() -> None:
    """A rule that is gone leaves enough behind to say what is over, and to whom."""
    engine = Engine([rule("r-1", condition=threshold(1), labels={"team": "core"})])
    feed(engine, crash(0))
    engine.reload([])
    outcome = engine.advance(NOON_MS + MINUTE)[0]
    assert message_of(outcome, BERLIN).title == "resolved: svc-a crashed: ValueError [r-1]"
    assert subject_of(outcome).rule == "r-1"
    assert subject_of(outcome).labels == {"team": "core"}


def app_message(text: str, **data: Any) -> events.AppMessage:
    """Make an app message."""
    return events.message("svc-a", NOON, MessageData(text=text, **data), id="m")


@pytest.mark.parametrize(
    ("event", "title", "first"),
    [
        (app_message("low stock"), "svc-a: low stock", None),
        (app_message("low stock\nitem 7"), "svc-a: low stock", Text("item 7")),
        (app_message("item 7", title="low stock"), "svc-a: low stock", Text("item 7")),
    ],
)
def test_an_app_message_is_passed_on_as_the_app_said_it(
    event: events.Event, title: str, first: Text | None
) -> None:
    """The service is named; title and text are the app's own."""
    message = said(event, when={"kind": "message"}, severity="info")
    assert message.title == title
    assert message.parts[:-1] == ((first,) if first else ())


def test_an_app_messages_level_is_how_grave_it_is_and_its_link_is_kept() -> None:
    """The level of the message wins over the severity of the rule that passes it on."""
    event = app_message("x", level="error", link="https://example.org/7")
    message = said(event, when={"kind": "message"}, severity="info")
    assert message.severity == "error"
    assert Link("open", "https://example.org/7") in message.parts


def test_titles_are_one_line_within_bounds() -> None:
    """Line breaks in values do not break the title, and long values are cut."""
    message = said(crash(0, error="a\nb" + "x" * 250, message="m" * 10_000), text="{error}")
    assert message.title.startswith("a b")
    assert len(message.title) == MAX_TITLE
    assert len(plain(message)) < 1500


def test_rules_that_find_something_in_one_event_are_told_apart() -> None:
    """The title ends in the rule's name, also a long one, unless the text has it as a word."""
    engine = Engine([rule("crash"), rule("late", text="late {error}"), rule("x", text="{error}")])
    outcomes = feed(engine, crash(0, error="y" * 300))
    titles = [message_of(outcome, BERLIN).title for outcome in outcomes]
    assert titles[0].endswith("yyy… [crash]")
    assert titles[1].startswith("late yyy")
    assert titles[1].endswith("yyy…")
    assert titles[2].endswith("yyy… [x]")
    assert {len(title) for title in titles} == {MAX_TITLE}


def test_the_year_is_said_where_it_is_another_one() -> None:
    """An event of the year before is not taken for one of today."""
    event = crash(0)
    later_ms = event.time_ms + 365 * 24 * HOUR
    shown = message_of(Engine([rule()]).process(event, later_ms, later_ms)[0], BERLIN).parts[0]
    assert isinstance(shown, Fields)
    assert dict(shown.items)["when"] == "23 Nov 2026 13:00 (Europe/Berlin, UTC+01:00)"


@pytest.mark.parametrize("absurd", ["9999-12-31T23:59:59", "0001-01-01T00:00:00"])
def test_a_time_beyond_every_calendar_is_told_as_found(absurd: str) -> None:
    """An event dated to the end of time stops nothing: its alert tells when it was found."""
    event = events.crash("svc-a", datetime.fromisoformat(f"{absurd}Z"), CrashData(error="KeyError"))
    shown = message_of(Engine([rule()]).process(event, NOON_MS, NOON_MS)[0], BERLIN).parts[0]
    assert isinstance(shown, Fields)
    assert dict(shown.items)["when"] == "23 Nov 13:00 (Europe/Berlin, UTC+01:00)"


def test_a_text_of_several_lines_has_its_rest_below_the_title() -> None:
    """The first line is the title."""
    message = said(crash(), text="{service} crashed\nSee the runbook.")
    assert (message.title, message.parts[0]) == ("svc-a crashed [r-1]", Text("See the runbook."))


def test_a_stack_keeps_its_end() -> None:
    """The last thirty lines stay, in at most a few thousand characters."""
    stack = "\n".join(f"line {n}" for n in range(100))
    assert shortened(stack).splitlines() == ["…", *(f"line {n}" for n in range(70, 100))]
    assert len(shortened("x" * 100_000)) < 5000
    assert shortened("a\nb\n") == "a\nb"


def test_a_late_event_is_told_with_its_own_time() -> None:
    """`when` is when it happened, not when it arrived."""
    event = crash(0)
    outcome = Engine([rule()]).process(event, NOON_MS + HOUR, event.time_ms)[0]
    shown = message_of(outcome, BERLIN).parts[0]
    assert isinstance(shown, Fields)
    assert dict(shown.items)["when"] == (NOON + timedelta(hours=1)).strftime(
        "%d %b %H:%M (Europe/Berlin, UTC+01:00)"
    )


def test_a_status_tells_its_reason() -> None:
    """What the service said of itself is shown."""
    message = said(status(0, "down", reason="disk full"), when={"kind": "status"})
    assert isinstance(message.parts[0], Fields)
    assert ("because", "disk full") in message.parts[0].items
