"""Names in PostgreSQL: what the views' SQL calls TRIGGER_PER_DAY answers there in any case.

Both fold names that are not quoted, the views to upper and PostgreSQL to lower case.
"""

import hashlib
from collections.abc import Iterable

LONGEST = 63
"""Bytes of a name; PostgreSQL would cut what is longer (NAMEDATALEN)."""

ROW = "_row"
"""Our own column: the primary key."""

_TAKEN = {ROW, "ctid", "cmax", "cmin", "tableoid", "xmax", "xmin"}
"""Names that no column of a view can have; those beside ours are PostgreSQL's system columns."""


def folded(name: str) -> str:
    """Return the name under which PostgreSQL finds what is written without quotes.

    A name that only quotes can write keeps its case. One that is too long ends in a hash.
    """
    plain = name.lower() if name == name.upper() else name
    plain = plain.replace("\x00", "\ufffd")
    raw = plain.encode()
    if len(raw) <= LONGEST:
        return plain
    suffix = "_" + hashlib.blake2b(raw, digest_size=4).hexdigest()
    return raw[: LONGEST - len(suffix)].decode(errors="ignore") + suffix


def columns(names: Iterable[str]) -> list[str]:
    """Return the names of columns in their order, each another."""
    found: list[str] = []
    for name in map(folded, names):
        free = name
        while free in _TAKEN or free in found:
            free = folded(free + "_")
        found.append(free)
    return found
