"""Reads what an address asks: its path by a template, its query into the endpoint's form.

Faults name the parameter and the mend. It must not know what a parameter means.
"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote

import msgspec

from pulsebot.web.api.base import Parameters, Unusable

P = TypeVar("P", bound=Parameters)

MAX_QUERY = 8_192
"""Bytes of a query; what it may ask for is far shorter."""


def split(raw_path: bytes) -> list[str] | None:
    """Return the parts of a path as they are meant, a `%2F` inside of one; None: not UTF-8.

    Only the path as it was sent can tell that slash from one between parts.
    """
    try:
        parts = raw_path.decode("ascii").split("/")[1:]
        return [unquote(part, errors="strict") for part in parts]
    except UnicodeDecodeError:
        return None


def match(template: Sequence[str], parts: Sequence[str]) -> dict[str, str] | None:
    """Return what the parts of a path say for the template's fields; None where it differs."""
    if len(template) != len(parts):
        return None
    found = {}
    for wanted, part in zip(template, parts, strict=True):
        if wanted.startswith("{"):
            found[wanted.strip("{}")] = part
        elif wanted != part:
            return None
    return found


def read(form: type[P], path: Mapping[str, str], query: bytes) -> P:
    """Return the parameters of a path and a query in their form; raises Unusable."""
    if len(query) > MAX_QUERY:
        raise Unusable("query", f"is longer than {MAX_QUERY:,} bytes")
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError:
        raise Unusable("query", "is not UTF-8 in percent escapes") from None
    values = dict(pairs)
    for name in values:
        _check_name(form, path, name)
    if len(values) != len(pairs):
        twice = next(name for name in values if [n for n, _ in pairs].count(name) > 1)
        raise Unusable(twice, "is given more than once; give it once")
    try:
        return msgspec.convert({**values, **path}, form, strict=False)
    except msgspec.ValidationError as error:
        raise _fault(form, str(error)) from None


def _check_name(form: type[Parameters], path: Mapping[str, str], name: str) -> None:
    known = [field for field in form.__struct_fields__ if field not in path]
    if name in known:
        return
    close = get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(sorted(known))}"
    raise Unusable(name[:100], f"is not a parameter here; {hint}")


def _fault(form: type[Parameters], told: str) -> Unusable:
    """Say what msgspec says, and what may stand there."""
    fault, _, name = told.rpartition(" - at `$.")
    name = name.rstrip("`")
    field = next((f for f in msgspec.structs.fields(form) if f.name == name), None)
    if field is None:
        return Unusable("query", told)
    return Unusable(name, _mend(msgspec.json.schema(field.type)) or fault)


def _mend(schema: Mapping[str, Any]) -> str:
    """Say what a value must be."""
    for option in (schema, *schema.get("anyOf", ())):
        if words := [word for word in option.get("enum", ()) if word is not None]:
            return f"must be {', '.join(words[:-1])} or {words[-1]}"
        if option.get("type") == "integer":
            return f"must be a whole number from {option['minimum']:,} to {option['maximum']:,}"
        if "maxLength" in option:
            least, most = option.get("minLength", 0), option["maxLength"]
            few = f"must have {least} to {most:,} characters"
            return few if least else f"may have {most:,} characters at most"
    return ""
