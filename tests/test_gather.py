"""Gathering and sifting together: whatever the records, the events are those of the plain way."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pulsebot import event as events
from pulsebot.errors import InvalidEvent
from pulsebot.event import EPOCH, Event, StatusData, TriggerData, decode
from pulsebot.gather import MINUTE_MS
from pulsebot.settings import Clock
from pulsebot.sift import Batch, Sifter, preparing
from pulsebot.store.database import Database
from pulsebot.stream.apart import wire
from pulsebot.stream.apart.records import RecordsApart
from pulsebot.stream.base import Record
from pulsebot.stream.kafka.record import KafkaRecord

CLOCK = Clock(past=timedelta(days=7), future=timedelta(minutes=10))
LOG_MS = 1_790_000_000_000
PAST_MS, FUTURE_MS = 7 * 86_400_000, 600_000

ages = st.one_of(
    st.integers(-3 * MINUTE_MS, 3 * MINUTE_MS),
    st.sampled_from([PAST_MS, PAST_MS + 1, -FUTURE_MS, -FUTURE_MS - 1, LOG_MS + 10**12]),
)
BROKEN = {
    "no object": b'"data":7',
    "no count": b'"data":{"count":0}',
    "no tags": b'"data":{"tags":{"env":1}}',
    "no text": b'"data":{"name":"\xff"}',
    "no data": b'"datum":{}',
}
"""Ways in which a trigger's data may be none, the rest of the event being sound."""

made = st.builds(
    dict,
    kind=st.sampled_from(["trigger", "trigger", "trigger", "status", "garbage", *BROKEN]),
    service=st.sampled_from(["svc-a", "svc-b"]),
    producer=st.sampled_from(["p", "q", None]),
    sequence=st.integers(0, 12),
    instance=st.sampled_from(["i-1", None]),
    name=st.sampled_from(["order", None]),
    tags=st.sampled_from([{}, {"env": "prod"}, {"env": "test"}]),
    count=st.integers(1, 3),
    age_ms=ages,
    id=st.integers(0, 5),
    log_ms=st.sampled_from([LOG_MS, LOG_MS, LOG_MS + 1, 0, -1]),
    headers=st.sampled_from([(), (), (("x", b"y"),)]),
)


def record(offset: int, one: dict[str, Any]) -> Record:
    """Return a record as a crawler would write it, or garbage."""
    value = b'{"type": "pulse.trigger"'
    if one["kind"] in BROKEN:
        sound = events.encode(_event(one | {"name": None, "tags": {}, "count": 1}))
        assert b'"data":{}' in sound
        value = sound.replace(b'"data":{}', BROKEN[one["kind"]])
    elif one["kind"] != "garbage":
        value = events.encode(_event(one))
    return KafkaRecord("t", 0, offset, one["log_ms"], value, one["headers"])


def _event(one: dict[str, Any]) -> Event:
    at = EPOCH + timedelta(milliseconds=LOG_MS - one["age_ms"])
    event: Event
    if one["kind"] == "trigger" or one["kind"] in BROKEN:
        data = TriggerData(name=one["name"], count=one["count"], tags=one["tags"])
        event = events.trigger(one["service"], at, data, instance=one["instance"])
    else:
        event = events.status(one["service"], at, StatusData(state=events.State.UP))
    numbered = one["producer"] is not None
    return msgspec.structs.replace(
        event,
        id=str(one["id"]) if not numbered else events.new_id(),
        producer=one["producer"],
        sequence=one["sequence"] if numbered else None,
    )


def plainly(batches: Sequence[Sequence[Record]], now_ms: int) -> list[tuple[Any, ...]]:
    """Return the new events, one after the other, each with its time and its log time."""
    seen: set[Any] = set()
    found = []
    for one in [one for batch in batches for one in batch]:
        try:
            event = decode(one.value, one.headers)
        except InvalidEvent:
            continue
        identity: Any = (event.producer, event.sequence)
        if event.producer is None:
            identity = (event.service, event.id)
        if identity in seen:
            continue
        seen.add(identity)
        log_ms, time_ms = one.timestamp, event.time_ms
        if log_ms <= 0:
            log_ms = now_ms
        elif not log_ms - PAST_MS <= time_ms <= log_ms + FUTURE_MS:
            time_ms = log_ms
        found.append((event.service, event.kind, event.id, time_ms, log_ms, one.offset))
    return sorted(found, key=lambda row: row[-1])


def shown(batch: Batch) -> list[tuple[Any, ...]]:
    """Return a batch's events in the same form."""
    return [
        (event.service, event.kind, event.id, time_ms, log_ms, one.offset)
        for event, time_ms, log_ms, one in batch.each()
    ]


async def sifted(folder: Path, batches: Sequence[Sequence[Record]]) -> list[Batch]:
    """Sift batches one after the other, each in a transaction of its own."""
    async with Database(folder / "bot.db") as database:
        sifter = Sifter(CLOCK)
        await database.write(sifter.load)
        found = []
        for batch in batches:
            found.append(await database.write(sifter.sift, batch, LOG_MS))
            await database.write(sifter.save, LOG_MS)
        return found


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(made, st.booleans(), st.booleans()), max_size=40))
def test_gathered_or_not_the_same_events_are_new(
    tmp_path_factory: Any, wanted: list[tuple[dict[str, Any], bool, bool]]
) -> None:
    """Any mixture of repetitions, absurd times, garbage, cut anywhere, prepared in part or not."""
    batches: list[list[Record]] = [[]]
    for offset, (one, cut, _) in enumerate(wanted):
        batches[-1].append(record(offset, one))
        if cut:
            batches.append([])
    given_to_it = [
        _prepared(batch, len(batch) * (number % 4) // 3) if number % 5 else batch
        for number, batch in enumerate(batches)
    ]
    found = asyncio.run(sifted(tmp_path_factory.mktemp("sift"), given_to_it))
    events_found = [row for batch in found for row in shown(batch)]
    assert events_found == plainly(batches, LOG_MS)
    assert [batch.events for batch in found] == [len(batch.each()) for batch in found]
    _check_groups(found)


def _prepared(batch: Sequence[Record], first: int) -> Sequence[Record]:
    """Return a batch of which so many were prepared, in two pieces."""
    preparer = preparing(CLOCK)()
    preparer.take(batch[: first // 2])
    preparer.take(batch[first // 2 : first])
    return RecordsApart(wire.found(batch, preparer.made(), []))


def _check_groups(found: Sequence[Batch]) -> None:
    for batch in found:
        for group in batch.groups:
            members = [decode(batch.records[place].value) for place in group.places]
            assert [member.data.count for member in members] == group.counts  # type: ignore[union-attr]
            assert {m.time_ms // MINUTE_MS * MINUTE_MS for m in members} == {group.minute_ms}
            assert len({(m.service, m.producer, m.instance, *m.data.tags) for m in members}) == 1
            assert group.sample.data.tags == members[0].data.tags
        assert [event.service for event in batch.latest()] or not batch.events
