"""Rules: what is worth telling. A selector says which events, a condition says when.

This module must not know files, routes or chats.
"""

import hashlib
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from pulsebot.language import Id, Model, Text, Value
from pulsebot.rules.conditions import AnyCondition
from pulsebot.rules.selector import Selector
from pulsebot.rules.template import fault

Severity = Literal["info", "warning", "error", "critical"]


class Rule(Model):
    """One rule of a rule file."""

    id: Id
    when: Selector
    condition: AnyCondition
    severity: Severity
    labels: Annotated[dict[Value, Value], Field(max_length=50, default_factory=dict)]
    """Words of your own that routes can match."""
    text: Text | None = None
    """What is said, with fields such as `{service}`; unset: a text that suits the kind."""

    @field_validator("text")
    @classmethod
    def _can_be_filled_in(cls, text: str | None) -> str | None:
        if text is not None and (wrong := fault(text)):
            raise ValueError(wrong)
        return text

    @model_validator(mode="after")
    def _suits(self) -> "Rule":
        if wrong := [kind for kind in self.when.kind if kind not in self.condition.kinds]:
            suited = " or ".join(sorted(self.condition.kinds))
            raise ValueError(
                f"condition `{self.condition.type}` cannot judge {wrong[0]} events; "
                f"select `kind: {suited}`"
            )
        return self

    def version(self) -> str:
        """Return a name of what the rule decides: the same as long as its state stays good."""
        decisive = self.model_dump_json(include={"when", "condition"})
        return hashlib.blake2b(decisive.encode(), digest_size=6).hexdigest()
