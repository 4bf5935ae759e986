"""What the parts of the board hand each other: a scene to draw, and the picture of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pulsebot.store.database import Connection
from pulsebot.web.board.roster import Roster
from pulsebot.web.board.vitals import Rates, Vitals


@dataclass(frozen=True, slots=True)
class Scene:
    """All that pictures are drawn from, as of one moment."""

    now_ms: int
    roster: Roster
    vitals: Vitals
    rates: Rates


@dataclass(frozen=True, slots=True)
class Picture:
    """The inner markup of a page's cells by element id.

    `shape` is what the page is made of beyond cells, such as which rows there are, in any
    form: where it differs the page cannot be patched and is fetched again.
    """

    cells: Mapping[str, str]
    shape: object = None


class Subject(Protocol):
    """What a page is about."""

    def draw(self, connection: Connection, scene: Scene) -> Picture | None:
        """Return the picture as of a scene; None: nothing can have changed since the last."""
