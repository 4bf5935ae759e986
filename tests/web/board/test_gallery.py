"""The page of views: what is said of rows and numbers, whatever a view shows just now."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from markupsafe import Markup

from pulsebot import event as events
from pulsebot.event import TriggerData
from pulsebot.web.board.base import Scene
from pulsebot.web.board.gallery import Gallery
from pulsebot.web.board.roster import Roster
from pulsebot.web.board.vitals import Rates, Vitals
from tests.fakes.world import World
from tests.materialize.keeping import keeping

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MANY = "SELECT SERVICE_ID, COUNT(*) N FROM SERVICE_TRIGGER GROUP BY SERVICE_ID HAVING COUNT(*) > 2"
NAMES = "SELECT SERVICE_ID, LATEST_BY_OFFSET(NAME) FROM SERVICE_TRIGGER GROUP BY SERVICE_ID"


def drawn(made: World) -> list[str]:
    """Return the markup of each view."""
    now_ms = round(NOON.timestamp() * 1000)
    vitals = Vitals(now_ms, 0, 0, 0, 0, 0, {}, {}, True, None, {}, {}, {})
    gallery = Gallery(lambda _view: None)
    picture = gallery.draw(made.connection, Scene(now_ms, Roster(ZoneInfo("UTC")), vitals, Rates()))
    return [cell for name, cell in picture.cells.items() if name.startswith("view-")]


def test_rows_that_having_hides_are_no_rows(tmp_path: Path) -> None:
    """A view has the rows that people see; without any it is not said to hold no numbers."""
    with keeping(tmp_path / "a.db", MANY, NAMES) as made:
        made.tell(events.trigger("svc-a", NOON, TriggerData(name="order", count=2)))
        many, names = map(_text, drawn(made))
        assert "V0 0 rows, UTC No rows yet." in many
        assert "V1 1 row, UTC No column holds numbers." in names
        made.tell(events.trigger("svc-a", NOON, TriggerData(name="order")))
        many, _ = drawn(made)
        assert "V0 1 row, UTC N by key: the largest 1; most 3 in svc-a" in _text(many)
        assert many.count('class="bar"') == 1


def _text(cell: str) -> str:
    return " ".join(Markup(str(cell).replace("<", " <")).striptags().split())  # noqa: S704 - it is markup
