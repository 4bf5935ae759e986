"""What one rule file may say, and what its faults are called for people.

Pydantic finds the faults; here they become sentences with the mend. Words of the language
that a later version will know are refused by name. This module must not read files.
"""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, Literal

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from pulsebot.casetest import Case, CaseEvent, Expect
from pulsebot.language import Id, Items, Model
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


def real_path(values: Any, loc: Loc) -> Loc:  # noqa: ANN401 - a YAML value is anything
    """Return `loc` without what pydantic adds: a condition's name, an index into one value."""
    path: list[str | int] = []
    for index, part in enumerate(loc):
        if isinstance(part, int):
            there = isinstance(values, list) and part < len(values)
            missing = False
        else:
            there = isinstance(values, dict) and part in values
            missing = index == len(loc) - 1 and not _chose(values, part)
        if there:
            values = values[part]
        if there or missing:
            path.append(part)
    return tuple(path)


def _chose(values: object, condition: str) -> bool:
    return isinstance(values, dict) and values.get("type") == condition


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
    return f"`{name}`: {_mend(error, context)}"


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
    known = _known_keys(loc, real)
    close = get_close_matches(key, known, n=1)
    if close:
        return f"`{key}` is not a known key; did you mean `{close[0]}`?"
    there = f" (there are {', '.join(known)})" if known else ""
    return f"`{key}` is not a known key; remove it{there}"


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
        return f"`{name}`: `{given}` is not supported in this version; use {_plain(allowed)}"
    if " or " not in allowed and ", " not in allowed:
        return f"`{name}`: must be {_plain(allowed)}, not {given!r}"
    words = _plain(allowed).replace(" or ", ", ").split(", ")
    close = get_close_matches(str(given), words, n=1)
    hint = f"; did you mean `{close[0]}`?" if close else ""
    return f"`{name}`: {given!r} is not one of {_plain(allowed)}{hint}"


def _plain(allowed: str) -> str:
    return allowed.replace("'", "")


def _mend(error: ErrorDetails, context: Mapping[str, Any]) -> str:
    said = _MENDS.get(error["type"])
    return said(error["input"], context) if said else error["msg"].removeprefix("Value error, ")


def _not_a_text(given: object, _context: Mapping[str, Any]) -> str:
    if not isinstance(given, bool | int | float):
        return f"must be a text, not {_kind_of(given)}"
    return f'{_shown(given)} is not a text; put it in quotes: "{_shown(given)}"'


def _not_a_number(given: object, _context: Mapping[str, Any]) -> str:
    return f"must be a whole number, not {_kind_of(given)}"


def _not_a_mapping(given: object, _context: Mapping[str, Any]) -> str:
    return f"must be a mapping of `key: value`, not {_kind_of(given)}"


_MENDS: dict[str, Callable[[Any, Mapping[str, Any]], str]] = {
    "string_type": _not_a_text,
    "int_type": _not_a_number,
    "int_from_float": _not_a_number,
    "model_type": _not_a_mapping,
    "model_attributes_type": _not_a_mapping,
    "dict_type": _not_a_mapping,
    "mapping_type": _not_a_mapping,
    "greater_than_equal": lambda _, context: f"must be at least {context['ge']:,}",
    "less_than_equal": lambda _, context: f"must be at most {context['le']:,}",
    "too_short": lambda *_: "must not be empty",
    "too_long": lambda _, context: f"may have {context['max_length']:,} entries at most",
    "string_too_short": lambda *_: "must not be an empty text",
    "string_too_long": lambda _, context: f"is longer than {context['max_length']:,} characters",
    "string_pattern_mismatch": lambda given, _: (
        f"{given!r} may have only the characters a-z, 0-9 and - (100 at most)"
    ),
    "timezone_aware": lambda given, _: f"{given} lacks its zone; add Z or an offset like +02:00",
}
"""What to say for each of pydantic's types of error; all others speak for themselves."""


def _kind_of(value: object) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    return "nothing" if value is None else _shown(value)


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)[:60]
