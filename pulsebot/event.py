"""Events: what a crawler states about a service, and its form on the wire.

The wire form is a CloudEvents 1.0 JSON object (structured mode) or a Kafka record with
`ce_…` headers and the data as its value (binary mode). Decoding is strict: no coercion of
types, no NaN, no time without a zone; unknown fields are accepted and dropped.

This module must not know where events come from, what counts them, or what time it is.
"""

import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta, Struct, field

from pulsebot.errors import InvalidEvent

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

MAX_EVENT_BYTES = 1_000_000
"""Largest record value that is decoded; Kafka's own default limit is 1,048,588 bytes."""

MAX_DIGITS = 19
"""Of a sequence in a header: enough for 64 bits, and too few to make int() slow."""

_TIME = (
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt ]"
    r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?"
    r"([Zz]|[+-]([01][0-9]|2[0-3]):?[0-5][0-9])$"
)
"""For validators of the JSON Schema: `format` binds hardly any of them, and all forget the zone."""

Name = Annotated[str, Meta(min_length=1, max_length=255)]
Time = Annotated[datetime, Meta(tz=True, extra_json_schema={"pattern": _TIME})]
Tags = dict[Annotated[str, Meta(max_length=100)], Annotated[str, Meta(max_length=500)]]
Level = Literal["info", "warning", "error", "critical"]


class Kind(StrEnum):
    """The four things that a service can tell."""

    TRIGGER = "trigger"
    CRASH = "crash"
    STATUS = "status"
    MESSAGE = "message"


class State(StrEnum):
    """The running status of one instance."""

    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"
    STARTING = "starting"
    STOPPED = "stopped"
    UNKNOWN = "unknown"


class TriggerData(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A service was triggered `count` times (a producer may pre-aggregate)."""

    name: str | None = None
    count: Annotated[int, Meta(ge=1, le=10**12)] = 1
    duration_ms: Annotated[float, Meta(ge=0)] | None = None
    tags: Tags = {}


class CrashData(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A process ended badly, or an error escaped to the top of it."""

    error: Name
    message: str | None = None
    stack: str | None = None
    exit_code: Annotated[int, Meta(ge=-(2**31), lt=2**32)] | None = None
    signal: str | None = None
    fingerprint: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    tags: Tags = {}


class StatusData(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """How an instance is doing: `cpu` in per cent of one core, `rss` in bytes."""

    state: State
    reason: str | None = None
    cpu: Annotated[float, Meta(ge=0)] | None = None
    rss: Annotated[int, Meta(ge=0, le=2**62)] | None = None
    uptime_s: Annotated[float, Meta(ge=0)] | None = None
    tags: Tags = {}


class MessageData(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Something that the app wants to tell people."""

    text: str
    title: str | None = None
    level: Level = "info"
    link: str | None = None
    tags: Tags = {}


class _Envelope(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", gc=False):
    """The CloudEvents attributes that every kind shares (see DESIGN: events on the wire)."""

    kind: ClassVar[Kind]

    specversion: Literal["1.0"]
    id: Name
    service: Name = field(name="source")
    time: Time
    instance: Annotated[str, Meta(max_length=255)] | None = field(name="subject", default=None)
    producer: Annotated[str, Meta(max_length=255)] | None = None
    sequence: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None

    @property
    def time_ms(self) -> int:
        """Event time in whole milliseconds since the epoch, rounded down."""
        since = self.time - EPOCH
        # A third cheaper than `since // MILLISECOND`, and like it exact, before 1970 too.
        return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


class Trigger(_Envelope, frozen=True, kw_only=True, tag="pulse.trigger", gc=False):
    """The service was triggered."""

    kind: ClassVar[Kind] = Kind.TRIGGER
    data: TriggerData


class Crash(_Envelope, frozen=True, kw_only=True, tag="pulse.crash", gc=False):
    """The service crashed."""

    kind: ClassVar[Kind] = Kind.CRASH
    data: CrashData


class Status(_Envelope, frozen=True, kw_only=True, tag="pulse.status", gc=False):
    """The running status of an instance, sent on change and as a heartbeat."""

    kind: ClassVar[Kind] = Kind.STATUS
    data: StatusData


class AppMessage(_Envelope, frozen=True, kw_only=True, tag="pulse.message", gc=False):
    """The app has something to say."""

    kind: ClassVar[Kind] = Kind.MESSAGE
    data: MessageData


class TriggerOutline(_Envelope, frozen=True, kw_only=True, tag="pulse.trigger", gc=False):
    """A trigger whose data was not read: of most producers it is the same again and again."""

    kind: ClassVar[Kind] = Kind.TRIGGER
    data: msgspec.Raw

    def whole(self, data: TriggerData) -> Trigger:
        """Return the trigger with its data."""
        return Trigger(
            specversion=self.specversion,
            id=self.id,
            service=self.service,
            time=self.time,
            instance=self.instance,
            producer=self.producer,
            sequence=self.sequence,
            data=data,
        )


Event = Trigger | Crash | Status | AppMessage

_UNREADABLE = msgspec.DecodeError, UnicodeDecodeError, RecursionError
_outlines = msgspec.json.Decoder(TriggerOutline)
_trigger_data = msgspec.json.Decoder(TriggerData)
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_encoder = msgspec.json.Encoder()


def decode(value: bytes | None, headers: Iterable[tuple[str, bytes]] = ()) -> Event:
    """Decode one record of the stream.

    Structured mode unless a `ce_specversion` header says binary. Raises InvalidEvent, whose
    text names the field at fault, for whatever is not an event.
    """
    if value is None:
        raise InvalidEvent("the record is empty (a tombstone); send a CloudEvents JSON object")
    if len(value) > MAX_EVENT_BYTES:
        raise InvalidEvent(f"{len(value)} bytes; an event may have {MAX_EVENT_BYTES} at most")
    try:
        if headers:
            # Kafka headers may be null, whatever the type says.
            attributes = {k: v for k, v in headers if k.startswith("ce_") and v is not None}
            if "ce_specversion" in attributes:
                return _decode_binary(attributes, value)
        return _decoder.decode(value)
    except msgspec.ValidationError as error:
        raise InvalidEvent(f"not a valid event: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidEvent(f"not JSON: {error}") from error
    except RecursionError as error:
        raise InvalidEvent("not a valid event: nested too deeply") from error


def outline(value: bytes | None) -> TriggerOutline:
    """Decode a trigger in structured mode but for its data, which is for `trigger_data`.

    Both together accept exactly the triggers that `decode` does. Raises InvalidEvent for
    whatever else; what is wrong with it `decode` tells.
    """
    if value is None or len(value) > MAX_EVENT_BYTES:
        raise InvalidEvent("no event")
    try:
        return _outlines.decode(value)
    except _UNREADABLE as error:
        raise InvalidEvent("no trigger") from error


def trigger_data(raw: bytes) -> TriggerData:
    """Decode the data of an outline; raises InvalidEvent."""
    try:
        return _trigger_data.decode(raw)
    except _UNREADABLE as error:
        raise InvalidEvent("not a trigger's data") from error


def _decode_binary(attributes: Mapping[str, bytes], value: bytes) -> Event:
    envelope: dict[str, Any] = {name[3:]: _text(name, v) for name, v in attributes.items()}
    if (sequence := envelope.get("sequence")) is not None:
        if not (sequence.isascii() and sequence.isdigit() and len(sequence) <= MAX_DIGITS):
            raise InvalidEvent(f"header ce_sequence must be 1 to {MAX_DIGITS} digits")
        envelope["sequence"] = int(sequence)
    envelope["data"] = msgspec.json.decode(value)
    decoded: Event = msgspec.convert(envelope, Event)
    return decoded


def _text(name: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise InvalidEvent(f"header {name} is not UTF-8: {error}") from error


def encode(event: Event) -> bytes:
    """Encode an event as structured-mode CloudEvents JSON."""
    return _encoder.encode(event)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of everything that `decode` accepts.

    What it cannot say `decode` alone refuses: 1.0 for a whole number, and the 31st of February.
    """
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | msgspec.json.schema(Event)


def new_id() -> str:
    """Return an id that no other event of any source has."""
    return uuid.uuid4().hex


def trigger(
    service: str,
    time: datetime,
    data: TriggerData | None = None,
    *,
    instance: str | None = None,
    id: str | None = None,  # noqa: A002 - the CloudEvents attribute is called id
) -> Trigger:
    """Make a trigger event; without `data` it counts one. `time` must carry a zone."""
    return Trigger(
        specversion="1.0",
        id=id or new_id(),
        service=service,
        instance=instance,
        time=time,
        data=data or TriggerData(),
    )


def crash(
    service: str,
    time: datetime,
    data: CrashData,
    *,
    instance: str | None = None,
    id: str | None = None,  # noqa: A002 - the CloudEvents attribute is called id
) -> Crash:
    """Make a crash event. `time` must carry a zone."""
    return Crash(
        specversion="1.0",
        id=id or new_id(),
        service=service,
        instance=instance,
        time=time,
        data=data,
    )


def status(
    service: str,
    time: datetime,
    data: StatusData,
    *,
    instance: str | None = None,
    id: str | None = None,  # noqa: A002 - the CloudEvents attribute is called id
) -> Status:
    """Make a status event. `time` must carry a zone."""
    return Status(
        specversion="1.0",
        id=id or new_id(),
        service=service,
        instance=instance,
        time=time,
        data=data,
    )


def message(
    service: str,
    time: datetime,
    data: MessageData,
    *,
    instance: str | None = None,
    id: str | None = None,  # noqa: A002 - the CloudEvents attribute is called id
) -> AppMessage:
    """Make an app message. `time` must carry a zone."""
    return AppMessage(
        specversion="1.0",
        id=id or new_id(),
        service=service,
        instance=instance,
        time=time,
        data=data,
    )
