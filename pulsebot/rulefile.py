"""What one rule file may say, and what its faults are called for people.

`pulsebot.mends` knows the sentences; here is what only the rule language knows: its places,
its hints, and the words of a later version, which are refused by name. This module must not
read files.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from pulsebot.casetest import Case, CaseEvent, Expect
from pulsebot.language import Id, Items, Model
from pulsebot.mends import mend, plain_words, unknown_key, wrong_word
from pulsebot.routing.digest import Digest
from pulsebot.routing.route import Match, Route
from pulsebot.rules.conditions import CONDITIONS
from pulsebot.rules.rule import Rule
from pulsebot.rules.selector import Selector
from pulsebot.yamltree import Loc


class RuleFile(Model):
    """One file of the rules folder."""

    version: Literal[1]
    rules: Items[Rule] = ()
    routes: Items[Route] = ()
    digests: Mapping[Id, Digest] = {}
    tests: Items[Case] = ()


LATER_KEYS = {
    "calendars", "inhibitions", "group", "limit", "quiet", "escalate", "message",
}  # fmt: skip
LATER_VALUES = {"spike", "absence", "cardinality", "held"}
"""Words of the rule language that this version does not know yet."""

_MODELS: dict[tuple[str, ...], type[BaseModel]] = {
    (): RuleFile,
    ("rules", "*"): Rule,
    ("rules", "*", "when"): Selector,
    ("routes", "*"): Route,
    ("routes", "*", "match"): Match,
    ("digests", "*"): Digest,
    ("tests", "*"): Case,
    ("tests", "*", "events", "*"): CaseEvent,
    ("tests", "*", "expect", "*"): Expect,
}
"""Which model is read at which place, to find the word that somebody meant."""


def sentence(error: ErrorDetails, loc: Loc) -> str:
    """Say what is wrong at a place (a real path), and the mend."""
    name = _name(loc)
    kind = error["type"]
    context: dict[str, Any] = error.get("ctx") or {}
    if kind == "extra_forbidden":
        return _unknown_key(str(loc[-1]), error["loc"], loc)
    if kind == "missing":
        return _missing(name)
    if kind in {"literal_error", "union_tag_invalid"}:
        tag = kind == "union_tag_invalid"
        allowed = str(context["expected_tags" if tag else "expected"])
        given = context["tag"] if tag else error["input"]
        return _wrong_word(f"{name}.type" if tag else name, given, allowed)
    if kind == "union_tag_not_found":
        return f"`{name}` lacks its `type`: one of {', '.join(CONDITIONS)}"
    return f"`{name}`: {mend(error)}"


def _name(loc: Loc) -> str:
    words = [str(part) for part in loc if not isinstance(part, int)]
    if len(words) == 1 and len(loc) > 1:
        return words[0].removesuffix("s")  # an item of a section: a rule, a route, a test
    return ".".join(words[1:] or words) or "the file"


def _missing(name: str) -> str:
    hints = {
        "then": "say `then: stop`, or `then: continue` to look at later routes too",
        "version": "put `version: 1` at the top",
        "match": "say `match: {}` to match everything",
        "type": f"one of {', '.join(CONDITIONS)}",
    }
    hint = hints.get(name.rpartition(".")[2])
    return f"`{name}` is missing" + (f"; {hint}" if hint else "")


def _unknown_key(key: str, loc: Loc, real: Loc) -> str:
    if key in LATER_KEYS:
        return f"`{key}` is not supported in this version; remove it"
    return unknown_key(key, _known_keys(loc, real))


def _known_keys(loc: Loc, real: Loc) -> list[str]:
    if "condition" in loc:
        chosen = CONDITIONS.get(str(loc[loc.index("condition") + 1]))
        return list(chosen.model_fields) if chosen else []
    place = tuple(
        "*" if isinstance(part, int) or (index == 1 and real[0] == "digests") else str(part)
        for index, part in enumerate(real[:-1])
    )
    model = _MODELS.get(place)
    return list(model.model_fields) if model else []


def _wrong_word(name: str, given: object, allowed: str) -> str:
    if given in LATER_VALUES:
        return f"`{name}`: `{given}` is not supported in this version; use {plain_words(allowed)}"
    return wrong_word(name, given, allowed)
