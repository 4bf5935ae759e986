"""Conditions: one file each, and one table that names them all.

A new condition is one new file and one more member of `AnyCondition`.
"""

from typing import Annotated, Any

from pydantic import Field

from pulsebot.rules.conditions.any import AnyEvent
from pulsebot.rules.conditions.base import Condition
from pulsebot.rules.conditions.fingerprint import NewCrash
from pulsebot.rules.conditions.state import BadState
from pulsebot.rules.conditions.threshold import Threshold

CONDITIONS: dict[str, type[Condition[Any]]] = {
    "any": AnyEvent,
    "fingerprint": NewCrash,
    "state": BadState,
    "threshold": Threshold,
}
"""Every condition by the `type` that a rule file writes."""

AnyCondition = Annotated[
    AnyEvent | NewCrash | BadState | Threshold,
    Field(discriminator="type"),
]
"""The table again, in the form that types can be checked against (a test compares the two)."""
