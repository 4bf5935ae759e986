import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import jsonschema
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pulsebot import event as events
from pulsebot.errors import InvalidEvent
from pulsebot.event import (
    AppMessage,
    Crash,
    CrashData,
    Event,
    Kind,
    MessageData,
    State,
    Status,
    StatusData,
    Trigger,
    TriggerData,
)

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
TAGS = {"env": "prod", "team": "payments"}

EVERY_FIELD: list[Event] = [
    Trigger(
        specversion="1.0",
        id="1",
        service="svc-a",
        instance="pod-1",
        time=NOON,
        producer="host-1",
        sequence=2**63 - 1,
        data=TriggerData(name="order", count=10**12, duration_ms=1.5, tags=TAGS),
    ),
    events.crash(
        "svc-a",
        NOON,
        CrashData(
            error="ValueError",
            message="no such order",
            stack="Traceback…",
            exit_code=-11,
            signal="SIGSEGV",
            fingerprint="mine",
            tags=TAGS,
        ),
        instance="pod-1",
    ),
    events.status(
        "svc-a",
        NOON,
        StatusData(
            state=State.DEGRADED, reason="slow", cpu=99.5, rss=2**40, uptime_s=0.5, tags=TAGS
        ),
    ),
    events.message(
        "svc-a",
        NOON,
        MessageData(text="done", title="Job", level="error", link="https://x.test", tags=TAGS),
    ),
]


def wire(**fields: Any) -> bytes:
    """Return a small trigger on the wire, with fields replaced or added (None removes)."""
    event = {
        "specversion": "1.0",
        "type": "pulse.trigger",
        "source": "svc-a",
        "id": "1",
        "time": "2026-11-23T12:00:00Z",
        "data": {},
    }
    event |= fields
    return json.dumps({name: value for name, value in event.items() if value is not None}).encode()


HEADERS = (
    ("ce_specversion", b"1.0"),
    ("ce_type", b"pulse.trigger"),
    ("ce_source", b"svc-a"),
    ("ce_id", b"1"),
    ("ce_time", b"2026-11-23T12:00:00Z"),
)


@pytest.mark.parametrize("event", EVERY_FIELD, ids=lambda event: event.kind)
def test_round_trip(event: Event) -> None:
    """Every field of every kind comes back as it was."""
    assert events.decode(events.encode(event)) == event


@pytest.mark.parametrize("event", EVERY_FIELD, ids=lambda event: event.kind)
def test_the_wire_form_is_cloudevents(event: Event) -> None:
    """What is sent has the attribute names of CloudEvents and of our extension."""
    sent = json.loads(events.encode(event))
    assert sent["type"] == f"pulse.{event.kind}"
    assert (sent["source"], sent["id"], sent["specversion"]) == ("svc-a", event.id, "1.0")
    assert sent["time"] == "2026-11-23T12:00:00Z"
    assert "service" not in sent
    assert "instance" not in sent


def test_each_kind_has_a_type() -> None:
    """The four kinds are the four types."""
    assert [event.kind for event in EVERY_FIELD] == list(Kind)


def test_defaults() -> None:
    """The smallest event of each kind says what DESIGN says it says."""
    decoded = events.decode(wire())
    assert isinstance(decoded, Trigger)
    assert decoded.data == TriggerData(name=None, count=1, duration_ms=None, tags={})
    assert (decoded.instance, decoded.producer, decoded.sequence) == (None, None, None)
    said = events.decode(wire(type="pulse.message", data={"text": "hello"}))
    assert isinstance(said, AppMessage)
    assert said.data.level == "info"


def test_unknown_fields_are_accepted_and_dropped() -> None:
    """A newer sender's fields, in the envelope or the data, do no harm."""
    newer = wire(datacontenttype="application/json", new={"a": [1]}, data={"count": 2, "new": 1})
    assert events.decode(newer) == events.decode(wire(data={"count": 2}))


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"data": {"count": True}}, "$.data.count"),
        ({"data": {"count": 1.0}}, "$.data.count"),
        ({"data": {"count": "1"}}, "$.data.count"),
        ({"data": {"count": 0}}, "$.data.count"),
        ({"data": {"count": 10**12 + 1}}, "$.data.count"),
        ({"data": {"count": 10**400}}, "$.data.count"),
        ({"data": {"duration_ms": -1}}, "$.data.duration_ms"),
        ({"data": {"tags": {"env": 1}}}, "$.data.tags"),
        ({"data": {"tags": {"env": "x" * 501}}}, "$.data.tags"),
        ({"data": []}, "$.data"),
        ({"data": None}, "data"),
        ({"id": ""}, "$.id"),
        ({"id": 5}, "$.id"),
        ({"source": None}, "source"),
        ({"source": "x" * 256}, "$.source"),
        ({"time": None}, "time"),
        ({"time": "2026-11-23T12:00:00"}, "$.time"),
        ({"time": "yesterday"}, "$.time"),
        ({"time": 1_795_435_200}, "$.time"),
        ({"time": "2026-02-30T12:00:00Z"}, "$.time"),
        ({"sequence": -1}, "$.sequence"),
        ({"sequence": True}, "$.sequence"),
        ({"sequence": 2**63}, "$.sequence"),
        ({"specversion": "2.0"}, "$.specversion"),
        ({"specversion": None}, "specversion"),
        ({"type": "pulse.nothing"}, "$.type"),
        ({"type": None}, "type"),
        ({"type": "pulse.crash", "data": {"error": ""}}, "$.data.error"),
        ({"type": "pulse.crash", "data": {"error": "E", "fingerprint": ""}}, "$.data.fingerprint"),
        ({"type": "pulse.status", "data": {"state": "sleepy"}}, "$.data.state"),
        ({"type": "pulse.status", "data": {"state": "up", "rss": 1.5}}, "$.data.rss"),
        ({"type": "pulse.message", "data": {"text": "x", "level": "fatal"}}, "$.data.level"),
    ],
)
def test_strictness(fields: dict[str, Any], place: str) -> None:
    """Nothing is coerced or guessed, and the error names the field."""
    value = wire(**fields)
    with pytest.raises(InvalidEvent) as caught:
        events.decode(value)
    assert place in str(caught.value)


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e400"])
def test_numbers_that_are_none(number: bytes) -> None:
    """NaN and the infinities are refused, however they are written."""
    value = wire(data={"duration_ms": 12345}).replace(b"12345", number)
    with pytest.raises(InvalidEvent):
        events.decode(value)
    with pytest.raises(InvalidEvent):
        events.decode(b'{"duration_ms": %s}' % number, HEADERS)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b"\x00\x01\x02",
        b'{"a": 1} {"b": 2}',
        b"\xef\xbb\xbf{}",
        wire().replace(b"svc-a", b"\xff\xfe"),
        wire().replace(b"svc-a", b"\\ud800"),
    ],
)
def test_what_is_not_an_event(value: bytes) -> None:
    """Anything else in the stream is refused, never another kind of exception."""
    with pytest.raises(InvalidEvent):
        events.decode(value)


def test_a_tombstone_is_refused() -> None:
    """An empty record says that it is one, and what to send."""
    with pytest.raises(InvalidEvent, match="tombstone"):
        events.decode(None)


def test_too_large() -> None:
    """A record above the limit is refused unread, one at the limit is not."""
    padding = events.MAX_EVENT_BYTES - len(wire())
    assert events.decode(wire() + b" " * padding)
    with pytest.raises(InvalidEvent, match="1000001 bytes"):
        events.decode(wire() + b" " * (padding + 1))


@pytest.mark.parametrize("headers", [(), HEADERS], ids=["structured", "binary"])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_nested_too_deeply(
    headers: tuple[tuple[str, bytes], ...], opening: bytes, closing: bytes
) -> None:
    """Deep nesting is refused even in a field that is dropped."""
    deep = opening * 100_000 + b"1" + closing * 100_000
    value = deep if headers else wire(new=12345).replace(b"12345", deep)
    with pytest.raises(InvalidEvent, match="nested too deeply"):
        events.decode(value, headers)


def test_binary_mode() -> None:
    """Attributes from the headers and data from the value make the same event."""
    headers = (*HEADERS, ("ce_subject", b"pod-1"), ("ce_producer", b"p"), ("ce_sequence", b"7"))
    structured = wire(subject="pod-1", producer="p", sequence=7, data={"count": 3})
    other = ("content-type", b"application/json"), ("traceparent", b"\xff")
    assert events.decode(b'{"count": 3}', (*other, *headers)) == events.decode(structured)


def test_structured_mode_ignores_foreign_headers() -> None:
    """Headers alone do not make binary mode; a ce_specversion does."""
    headers = [("ce_id", b"other"), ("content-type", b"application/cloudevents+json")]
    assert events.decode(wire(), headers).id == "1"


@pytest.mark.parametrize(
    ("header", "value", "text"),
    [
        ("ce_sequence", b"one", "ce_sequence"),
        ("ce_sequence", b"", "ce_sequence"),
        ("ce_sequence", b"-1", "ce_sequence"),
        ("ce_sequence", b" 1", "ce_sequence"),
        ("ce_sequence", "²".encode(), "ce_sequence"),
        ("ce_sequence", b"9" * 5000, "ce_sequence"),
        ("ce_sequence", b"9" * 19, "sequence"),
        ("ce_subject", b"\xff", "ce_subject"),
        ("ce_time", b"2026-11-23T12:00:00", "time"),
        ("ce_type", b"pulse.nothing", "type"),
        ("ce_specversion", b"2.0", "specversion"),
    ],
)
def test_binary_mode_is_strict_too(header: str, value: bytes, text: str) -> None:
    """A header that is unusable is refused by name."""
    with pytest.raises(InvalidEvent, match=text):
        events.decode(b"{}", (*HEADERS, (header, value)))


def test_a_null_header_counts_as_absent() -> None:
    """Kafka allows headers without a value."""
    headers: Any = (*HEADERS, ("ce_subject", None))
    assert events.decode(b"{}", headers).instance is None


def test_binary_mode_keeps_data_apart_from_headers() -> None:
    """A header named ce_data is not the data."""
    decoded = events.decode(b'{"count": 2}', (*HEADERS, ("ce_data", b"{}")))
    assert isinstance(decoded, Trigger)
    assert decoded.data.count == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.001Z", 1),
        ("1970-01-01T00:00:00.001999Z", 1),
        ("1969-12-31T23:59:59.9999Z", -1),
        ("1970-01-01T05:45:00+05:45", 0),
        ("2026-11-23T12:00:00.123+01:00", 1_795_431_600_123),
        ("0001-01-01T00:00:00+23:59", -62_135_683_140_000),
        ("9999-12-31T23:59:59.999-23:59", 253_402_387_139_999),
    ],
)
def test_time_in_milliseconds_is_exact(text: str, expected: int) -> None:
    """Whole milliseconds, rounded down, for every time that can be written."""
    assert events.decode(wire(time=text)).time_ms == expected


@given(
    st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1)),  # noqa: DTZ001 - hypothesis wants naive bounds
    st.integers(-23 * 60, 23 * 60),
)
def test_time_in_milliseconds_agrees_with_integers(naive: datetime, minutes: int) -> None:
    """The figure is that of calendar arithmetic in integers, whatever the zone."""
    zoned = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    days = zoned.toordinal() - datetime(1970, 1, 1, tzinfo=UTC).toordinal()
    seconds = days * 86_400 + zoned.hour * 3600 + (zoned.minute - minutes) * 60 + zoned.second
    expected = seconds * 1000 + zoned.microsecond // 1000
    assert events.trigger("svc-a", zoned).time_ms == expected


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
names = texts.filter(bool)
tags = st.dictionaries(texts, texts, max_size=3)
floats = st.none() | st.floats(0, allow_nan=False, allow_infinity=False)
optional = st.none() | texts
datas = st.one_of(
    st.builds(
        TriggerData, name=optional, count=st.integers(1, 10**12), duration_ms=floats, tags=tags
    ),
    st.builds(
        CrashData,
        error=names,
        message=optional,
        stack=optional,
        exit_code=st.none() | st.integers(-(2**31), 2**31),
        signal=optional,
        fingerprint=st.none() | names,
        tags=tags,
    ),
    st.builds(
        StatusData,
        state=st.sampled_from(State),
        reason=optional,
        cpu=floats,
        rss=st.none() | st.integers(0, 2**60),
        uptime_s=floats,
        tags=tags,
    ),
    st.builds(
        MessageData,
        text=texts,
        title=optional,
        level=st.sampled_from(["info", "warning", "error", "critical"]),
        link=optional,
        tags=tags,
    ),
)
TYPES: dict[type, type] = {
    TriggerData: Trigger,
    CrashData: Crash,
    StatusData: Status,
    MessageData: AppMessage,
}


@st.composite
def any_event(draw: st.DrawFn) -> Event:
    """Draw an event of any kind with any fields."""
    data = draw(datas)
    made: Event = TYPES[type(data)](
        specversion="1.0",
        id=draw(names),
        service=draw(names),
        time=draw(st.datetimes(timezones=st.just(UTC))),
        instance=draw(optional),
        producer=draw(optional),
        sequence=draw(st.none() | st.integers(0, 2**63 - 1)),
        data=data,
    )
    return made


@given(any_event())
def test_any_event_round_trips_and_fits_the_schema(event: Event) -> None:
    """Whatever can be made can be sent, read back the same, and satisfies the JSON Schema."""
    sent = events.encode(event)
    assert events.decode(sent) == event
    VALIDATOR.validate(json.loads(sent))


VALIDATOR = jsonschema.Draft202012Validator(events.json_schema())


def test_the_schema_is_one() -> None:
    """The JSON Schema is valid by its own standard."""
    jsonschema.Draft202012Validator.check_schema(events.json_schema())


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "pulse.nothing"},
        {"data": {"count": 0}},
        {"source": None},
        {"specversion": "2.0"},
        {"time": "2026-11-23T12:00:00"},
        {"time": "2026-11-23"},
        {"time": "yesterday"},
    ],
)
def test_the_schema_refuses(fields: dict[str, Any]) -> None:
    """What `decode` refuses for its shape, the schema refuses as well."""
    assert not VALIDATOR.is_valid(json.loads(wire(**fields)))
    assert VALIDATOR.is_valid(json.loads(wire()))


TIMES = ("2026-11-28T12:00:00Z", "2026-11-28 12:00:00.123456+01:00", "2026-11-28t23:59:59-0530")


@given(st.sampled_from(TIMES), st.integers(0, 31), st.text("0123456789-+:.,TtZz ", max_size=2))
def test_the_schema_takes_the_times_that_decode_takes(time: str, place: int, text: str) -> None:
    """However a time is mistyped, both say the same of it."""
    time = time[:place] + text + time[place + 1 :]
    assume(time[8:10] not in {"29", "30", "31"})  # whether a month has them the schema cannot say
    value = wire(time=time)
    try:
        events.decode(value)
    except InvalidEvent:
        assert not VALIDATOR.is_valid(json.loads(value))
    else:
        assert VALIDATOR.is_valid(json.loads(value))


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(value: bytes) -> None:
    """Random bytes are an event or InvalidEvent, in either mode."""
    for headers in ((), HEADERS):
        try:
            events.decode(value, headers)
        except InvalidEvent as error:
            assert str(error)  # noqa: PT017 - either outcome is right


def test_made_events_count_one_and_have_ids_of_their_own() -> None:
    """Events without a given id never share one."""
    first, second = events.trigger("svc-a", NOON), events.trigger("svc-a", NOON)
    assert first.data.count == 1
    assert first.id != second.id
    assert events.trigger("svc-a", NOON, id="mine", instance="i").id == "mine"
