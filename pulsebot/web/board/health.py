"""The health line on every page: whether the numbers are whole, and if not, why."""

from markupsafe import Markup

from pulsebot.phrases import plural
from pulsebot.web.board.base import Scene


def cells(scene: Scene) -> dict[str, str]:
    """Return the cell that says so; empty where all is well."""
    return {"health": _told(scene)}


def _told(scene: Scene) -> Markup:
    vitals = scene.vitals
    if vitals.failure:
        return _line("bad", f"The bot cannot go on: {vitals.failure}. Numbers stand still.")
    if not vitals.answered:
        return _line("wait", "The stream has not been read yet: numbers are of the last run.")
    if vitals.lag:
        behind = plural(vitals.lag, "record is", "records are")
        return _line("wait", f"Catching up: {behind} not counted yet.")
    return Markup("")


def _line(kind: str, text: str) -> Markup:
    return Markup('<span class="note n-{}">{}</span>').format(kind, text)
