"""Rule texts: plain text with named fields in braces, such as `{service} crashed: {error}`.

Fields are filled in as they are, once: no attribute access, no format codes, no nesting, so
neither a rule file nor an event can make a text do anything.
"""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from string import Formatter

from pulsebot.rules.facts import FIELDS

MISSING = "–"
KNOWN = (*FIELDS, "rule", "severity", "count", "reason")
_TAG = re.compile(r"tags\.[^{}!:\[\]]{1,100}")


def fill(text: str, values: Mapping[str, str]) -> str:
    """Return the text with its fields filled in; a field without a value becomes a dash."""
    parts = []
    for literal, name, _, _ in Formatter().parse(text):
        parts.append(literal)
        if name is not None:
            parts.append(values.get(name) or MISSING)
    return "".join(parts)


def fault(text: str) -> str | None:
    """Return what is wrong with a text, and the mend; None where nothing is."""
    try:
        parsed = list(Formatter().parse(text))
    except ValueError:
        return "a brace is open or closed alone; write {{ or }} for a brace itself"
    for _, name, code, conversion in parsed:
        if name is None:
            continue
        if code or conversion:
            return f"{{{name}}} takes no format or conversion; write only {{{name}}}"
        if name not in KNOWN and not _TAG.fullmatch(name):
            close = get_close_matches(name, KNOWN, n=1)
            hint = f"did you mean {{{close[0]}}}?" if close else f"there are {', '.join(KNOWN)}"
            return f"there is no field {{{name}}}; {hint} (a tag is {{tags.NAME}})"
    return None
