"""Condition `any`: every selected event is told, on its own."""

from typing import Literal

from msgspec import Struct

from pulsebot.rules.conditions.base import Condition, Step, Verdict
from pulsebot.rules.facts import Facts


class AnyEvent(Condition[Struct]):
    """Tell each event; nothing is remembered."""

    type: Literal["any"]

    def key_fields(self) -> tuple[str, ...]:
        """Return the service: there is nothing to keep apart."""
        return ("service",)

    def observe(self, state: Struct | None, facts: Facts, now_ms: int) -> Step[Struct]:  # noqa: ARG002 - the contract of all conditions
        """Tell this event."""
        return Step(None, Verdict.EVENT, f"every selected {facts.event.kind.value}", None, 1)

    def elapse(self, state: Struct, now_ms: int) -> Step[Struct]:  # noqa: ARG002 - the contract of all conditions
        """Have nothing to say: it never asks for a deadline."""
        return Step(None, Verdict.CLEAR)
