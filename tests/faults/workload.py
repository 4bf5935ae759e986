"""A load whose every effect is known: events as bytes, and what must come of them.

`Load` makes the records of one seed, good and bad. `Expected` is the oracle: it reads nothing
but the bytes that were written, by its own plain rules, and shares no code with pulsebot.
"""

import json
import random
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

SERVICES = tuple(f"svc-{number}" for number in range(24))
PRODUCERS = ("p-0", "p-1", "p-2")
MINUTE_MS = 60_000
DAY_MS = 86_400_000
PAST_MS, FUTURE_MS = 30 * DAY_MS, 10 * MINUTE_MS
"""Beyond these an event's time is absurd: the defaults of the settings."""

RULES = """\
version: 1
rules:
  - id: said
    when: {kind: message}
    condition: {type: any}
    severity: info
  - id: new-crash
    when: {kind: crash}
    condition: {type: fingerprint, on: [new]}
    severity: critical
  - id: unwell
    when: {kind: status}
    condition: {type: state, bad: [down], fail_after: 2, ok_after: 2}
    severity: critical
routes:
""" + "".join(
    f"  - {{match: {{service: [{service}]}}, to: [slack:#{service}], then: stop}}\n"
    for service in SERVICES
)
"""One channel a service. Each finding has a title of its own, so that it can be recognised."""


class Written(NamedTuple):
    """One record as it went to the stream."""

    kind: str
    service: str
    value: bytes
    log_ms: int


class Load:
    """An endless load, the same for the same seed but for the times."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - the load is to be repeatable
        self._seed = seed
        self._made = 0
        self._sequences = Counter[str]()
        self._recent: deque[Written] = deque(maxlen=300)
        self._instances: list[tuple[str, str, list[str]]] = []

    def chunk(self, size: int, now_ms: int) -> list[Written]:
        """Return the next records: some repeated, some out of order, some no events at all."""
        fresh = [self._next(now_ms) for _ in range(size)]
        again = [
            self._random.choice(self._recent)._replace(log_ms=now_ms)
            for _ in range(size // 20)
            if self._recent
        ]
        self._recent.extend(fresh)
        in_order = [record for record in fresh if record.kind == "status"]
        others = [record for record in fresh + again if record.kind != "status"]
        self._random.shuffle(others)
        return [*others, *in_order, *(record for record in again if record.kind == "status")]

    def _next(self, now_ms: int) -> Written:
        self._made += 1
        service = self._random.choice(SERVICES)
        draw = self._random.random()
        if draw < 0.01:
            return Written("trigger", service, self._poison(), now_ms)
        if draw < 0.013:
            text = f"message {self._seed}-{self._made}"
            return self._event("message", service, {"text": text}, now_ms)
        if draw < 0.15:
            return self._crash(service, now_ms)
        if draw < 0.20:
            return self._status(service, now_ms)
        return self._event("trigger", service, {"count": self._random.randint(1, 9)}, now_ms)

    def _poison(self) -> bytes:
        pieces = (b"{", b"\xff\xfe", b"[]", b'{"type": "pulse.trigger"}', b"")
        return self._random.choice(pieces)

    def _crash(self, service: str, now_ms: int) -> Written:
        # new ones keep appearing, old ones keep coming
        number = self._random.randint(0, 1 + self._made // 6000)
        data = {"error": f"Error{number}", "fingerprint": f"fp-{number}"}
        return self._event("crash", service, data, now_ms)

    def _status(self, service: str, now_ms: int) -> Written:
        if not self._instances or self._random.random() < 0.03:
            states = ["up", "down", "down", "down", "up", "up"]
            self._instances.append((service, f"i-{self._made}", states))
        index = self._random.randrange(len(self._instances))
        service, instance, states = self._instances[index]
        state = states.pop(0)
        if not states:
            del self._instances[index]
        # a millisecond apart, so that none is taken for an older one
        time_ms = now_ms - DAY_MS // 2 + self._made
        return self._event("status", service, {"state": state}, now_ms, instance, time_ms)

    def _event(
        self,
        kind: str,
        service: str,
        data: dict[str, Any],
        now_ms: int,
        instance: str = "i-0",
        time_ms: int | None = None,
    ) -> Written:
        event: dict[str, Any] = {
            "specversion": "1.0",
            "type": f"pulse.{kind}",
            "source": service,
            "subject": instance,
            "id": f"{self._seed}-{self._made}",
            "time": _rfc3339(self._time(now_ms) if time_ms is None else time_ms),
            "data": data,
        }
        if self._random.random() < 0.7:
            producer = self._random.choice(PRODUCERS)
            self._sequences[producer] += 1
            event |= {"producer": producer, "sequence": self._sequences[producer]}
        return Written(kind, service, json.dumps(event).encode(), now_ms)

    def _time(self, now_ms: int) -> int:
        draw = self._random.random()
        if draw < 0.05:
            return now_ms - self._random.randint(0, DAY_MS // 2)  # late
        if draw < 0.06:
            return now_ms - 90 * DAY_MS  # absurd
        if draw < 0.07:
            return now_ms + DAY_MS  # absurd
        return now_ms - self._random.randint(0, 5000)


class Expected:
    """What must come of records: counts, crashes, dead letters, and titles of notifications."""

    def __init__(self, written: Iterable[Written]) -> None:
        self.counts = Counter[tuple[str, str, int]]()
        """By kind, service and start of the minute."""
        self.crashes = Counter[tuple[str, str]]()
        """By service and error."""
        self.dead_letters = 0
        self.titles: set[tuple[str, str]] = set()
        """Channel and title of each notification."""
        self._states: dict[tuple[str, str], list[str]] = {}
        seen: set[tuple[Any, ...]] = set()
        for record in written:
            event = parsed(record.value)
            if event is None:
                self.dead_letters += 1
            elif (told := identity(event)) not in seen:
                seen.add(told)
                self._take(event, record.log_ms)
        self.titles |= set(self._state_titles())

    def _take(self, event: dict[str, Any], log_ms: int) -> None:
        kind, service = event["type"].removeprefix("pulse."), event["source"]
        time_ms = round(datetime.fromisoformat(event["time"]).timestamp() * 1000)
        if not log_ms - PAST_MS <= time_ms <= log_ms + FUTURE_MS:
            time_ms = log_ms
        if kind == "status":
            states = self._states.setdefault((service, event["subject"]), [])
            states.append(event["data"]["state"])
            return
        self.counts[kind, service, time_ms // MINUTE_MS * MINUTE_MS] += event["data"].get(
            "count", 1
        )
        if kind == "crash":
            error = event["data"]["error"]
            self.crashes[service, error] += 1
            self.titles.add((service, f"{service} crashed: {error} [new-crash]"))
        if kind == "message":
            self.titles.add((service, f"{service}: {event['data']['text']}"))

    def _state_titles(self) -> Iterator[tuple[str, str]]:
        for (service, instance), states in self._states.items():
            if states.count("down") > 1:
                yield service, f"{service} {instance} is down [unwell]"
            if states[-2:] == ["up", "up"]:
                yield service, f"resolved: {service} {instance} is down [unwell]"


def parsed(value: bytes) -> dict[str, Any] | None:
    """Return the event that a record holds, None where it holds none."""
    try:
        event = json.loads(value)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "source" in event else None


def identity(event: dict[str, Any]) -> tuple[Any, ...]:
    """Return what a repetition of an event has in common with it."""
    if "sequence" in event:
        return event["producer"], event["sequence"]
    return "id", event["source"], event["id"]


def _rfc3339(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds")
