"""Tests in rule files: events and what they must lead to, run through the production engine.

The clock is logical: it starts at `at`, follows the events, and stops `until` after `at`.
This module must not know files, nor what is sent.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from pydantic import AwareDatetime, BeforeValidator, Field, model_validator

from pulsebot.event import Event, Level
from pulsebot.language import Items, Many, Model, Offset, Text, Value
from pulsebot.routing.receiver import Receiver
from pulsebot.routing.route import Route, route
from pulsebot.routing.wording import subject_of
from pulsebot.rules.alert import Transition
from pulsebot.rules.engine import Engine, Outcome
from pulsebot.rules.facts import KINDS
from pulsebot.rules.rule import Rule
from pulsebot.rules.selector import Kind, State

SAID: dict[Transition, str] = {
    Transition.EVENT: "firing",
    Transition.FIRED: "firing",
    Transition.RESOLVED: "resolved",
}
"""The findings that people are told, and the word for each."""

Told = tuple[str, str, str]


def _instant(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(
            f"{value!r} is not a time; write it like 2026-03-29T02:30:00+02:00"
        ) from None


class CaseEvent(Model):
    """One event of a test, `after` the test's start; the rest are the fields of its kind."""

    kind: Kind
    service: Value
    instance: Value | None = None
    after: Offset = 0
    name: str | None = None
    count: int | None = None
    duration_ms: float | None = None
    error: str | None = None
    message: str | None = None
    stack: str | None = None
    exit_code: int | None = None
    signal: str | None = None
    fingerprint: str | None = None
    state: State | None = None
    reason: str | None = None
    text: str | None = None
    title: str | None = None
    level: Level | None = None
    link: str | None = None
    tags: dict[str, str] | None = None

    @model_validator(mode="after")
    def _is_an_event(self) -> "CaseEvent":
        given = self.model_fields_set - {"kind", "service", "instance", "after"}
        data = KINDS[self.kind].__annotations__["data"]
        known = [field.name for field in msgspec.structs.fields(data)]
        if foreign := sorted(given.difference(known)):
            raise ValueError(f"a {self.kind} has no `{foreign[0]}`; it has {', '.join(known)}")
        self.event(datetime.fromisoformat("2026-01-01T00:00:00+00:00"), 0)
        return self

    def event(self, start: datetime, number: int) -> Event:
        """Return the event. Raises ValueError where it could not be one."""
        data = self.model_dump(exclude_none=True, exclude={"kind", "service", "instance", "after"})
        envelope: dict[str, Any] = {
            "specversion": "1.0",
            "type": f"pulse.{self.kind}",
            "id": str(number),
            "source": self.service,
            "subject": self.instance,
            "time": start + timedelta(milliseconds=self.after),
            "data": data,
        }
        try:
            decoded: Event = msgspec.convert(envelope, Event)
        except msgspec.ValidationError as error:
            raise ValueError(f"not an event: {error}") from None
        return decoded


class Expect(Model):
    """One notification: by which rule, to whom, and whether it says firing or resolved."""

    rule: Value
    to: Many[Receiver]
    state: Literal["firing", "resolved"] = "firing"


class Case(Model):
    """One test: exactly the notifications of `expect` must come, in any order."""

    name: Text
    at: Annotated[AwareDatetime, BeforeValidator(_instant)]
    events: Annotated[Items[CaseEvent], Field(min_length=1)]
    expect: Items[Expect]
    until: Offset = 0
    """Let this much time pass, so that alerts can resolve."""


def run_case(case: Case, rules: Sequence[Rule], routes: Sequence[Route]) -> list[str]:
    """Return what differs from what the test expects, in words; empty where nothing does."""
    told = Counter(_told(_outcomes(case, rules), routes))
    expected: Counter[Told] = Counter((e.rule, e.state, to) for e in case.expect for to in e.to)
    return [
        *(f"expected, but did not come: {_words(one)}" for one in (expected - told).elements()),
        *(f"came, but was not expected: {_words(one)}" for one in (told - expected).elements()),
    ]


def _outcomes(case: Case, rules: Sequence[Rule]) -> list[Outcome]:
    engine = Engine(rules)
    events = [event.event(case.at, number) for number, event in enumerate(case.events)]
    outcomes: list[Outcome] = []
    for event in sorted(events, key=lambda event: event.time_ms):
        outcomes.extend(engine.process(event, event.time_ms, event.time_ms))
    end = max(event.time_ms for event in events)
    start = events[0].time_ms - case.events[0].after
    outcomes.extend(engine.advance(max(end, start + case.until)))
    return outcomes


def _told(outcomes: Iterable[Outcome], routes: Sequence[Route]) -> Iterable[Told]:
    for outcome in outcomes:
        if word := SAID.get(outcome.transition):
            subject = subject_of(outcome)
            for receiver in route(routes, subject).receivers:
                yield subject.rule, word, receiver


def _words(one: Told) -> str:
    rule, state, receiver = one
    return f"{rule} ({state}) to {receiver}"
