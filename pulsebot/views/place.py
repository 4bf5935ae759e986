"""Places in a text of SQL, and the error that names one."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from sqlglot import exp

from pulsebot.errors import InvalidInput


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Line and column, both from 1."""

    line: int = 1
    column: int = 1

    @staticmethod
    def at(text: str, offset: int) -> "Place":
        """Return the place of a character of the text."""
        before = text[: max(offset, 0)]
        return Place(before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)

    @staticmethod
    def of(node: exp.Expr, text: str) -> "Place":
        """Return where a parsed part begins; what has no place of its own stands in another."""
        part: exp.Expr | None = node
        while part is not None:
            starts = [inner.meta["start"] for inner in part.walk() if "start" in inner.meta]
            if starts:
                return Place.at(text, min(starts))
            part = part.parent
        return Place()

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}"


class InvalidSql(InvalidInput):
    """Report a statement that cannot be carried out: the place, what was expected, the mend."""

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(f"{place}: {message}")
        self.message = message
        self.place = place


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean X?`, or `; there is A, B, C` where nothing is near."""
    names = list(known)
    if close := get_close_matches(name.upper(), names, n=2, cutoff=0.6):
        return f"; did you mean {' or '.join(close)}?"
    more = ", …" if len(names) > _NAMED else ""
    return f"; there is {', '.join(names[:_NAMED])}{more}" if names else ""


_NAMED = 12
"""Names that are listed where none is near."""
