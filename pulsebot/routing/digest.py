"""Digests, as rule files write them: when, on which days, to whom, and what is in them."""

import re
from datetime import time
from typing import Annotated, Literal

from pydantic import BeforeValidator

from pulsebot.language import Many, Model, Zone
from pulsebot.routing.receiver import Receiver

_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


def _time(value: object) -> object:
    if isinstance(value, time):
        return value
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise ValueError(f'{value!r} is not a time of day; write it like "09:00", in quotes')
    return time(int(found[1]), int(found[2]))


Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Section = Literal["triggers", "crashes", "unstable", "status"]


class Digest(Model):
    """A summary of the day before, once per local date."""

    at: Annotated[time, BeforeValidator(_time)]
    tz: Zone
    days: Many[Day] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    to: Many[Receiver]
    include: Many[Section] = ("triggers", "crashes", "unstable", "status")
