"""The first page: what an open page hears of, and which lines a reader finds."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pulsebot import event as events
from pulsebot.event import TriggerData
from pulsebot.web.board import overview, wording
from pulsebot.web.board.base import Picture, Scene
from pulsebot.web.board.overview import Overview, Query
from pulsebot.web.board.roster import Roster
from pulsebot.web.board.vitals import Rates, Vitals
from tests.fakes.world import World, world

BERLIN = ZoneInfo("Europe/Berlin")
EVENING = datetime(2026, 11, 22, 23, 59, tzinfo=BERLIN)  # a Sunday


def drawn(made: World, page: Overview, now: datetime) -> tuple[Roster, Picture]:
    """Return the roster as of a moment, and the picture of it."""
    now_ms = round(now.timestamp() * 1000)
    roster = Roster(BERLIN)
    roster.refresh(made.connection, now_ms, None)
    vitals = Vitals(now_ms, 0, 0, 0, 0, 0, {}, {}, True, None, {}, {}, {})
    return roster, page.draw(made.connection, Scene(now_ms, roster, vitals, Rates()))


def asked(made: World, parameters: Mapping[str, str]) -> dict[str, object]:
    """Return what the page has for a reader who asks with these parameters."""
    roster, picture = drawn(made, Overview(), EVENING)
    return overview.asked(Query.of(parameters), roster.lines.values(), picture.cells)


def test_an_open_page_says_at_midnight_that_today_is_another_day(tmp_path: Path) -> None:
    """Nobody has to load it again: what today and this week are is a cell like the numbers."""
    with world(tmp_path / "bot.db") as made:
        made.tell(events.trigger("a", EVENING, TriggerData()))
        page = Overview()
        _, before = drawn(made, page, EVENING)
        _, after = drawn(made, page, EVENING + timedelta(minutes=2))
        said = "Today is since Sun 22 Nov 00:00, this week since Mon 16 Nov 00:00; Europe/Berlin"
        assert before.cells["windows"] == said
        said = "Today is since Mon 23 Nov 00:00, this week since Mon 23 Nov 00:00; Europe/Berlin"
        assert after.cells["windows"] == said
        assert after.cells[f"{wording.key('a')}-tr"] == "0"
        assert after.shape == before.shape


@pytest.mark.parametrize("text", ["Straße", "STRASSE", "ΣΊΣΥΦΟΣ"])
def test_the_server_finds_what_the_script_of_the_page_finds(tmp_path: Path, text: str) -> None:
    """Both make texts small by the same rules; "ß" is not "ss" in a browser."""
    with world(tmp_path / "bot.db") as made:
        for name in ("Straße", "Σίσυφος"):
            made.tell(events.trigger(name, EVENING, TriggerData()))
        assert asked(made, {"q": text})["found"] == (0 if text == "STRASSE" else 1)


def test_a_tag_that_was_asked_for_can_be_told_from_none(tmp_path: Path) -> None:
    """A link with a tag that no service has any more says why it shows nothing."""
    with world(tmp_path / "bot.db") as made:
        made.intake.load(made.connection)
        made.tell(events.trigger("a", EVENING, TriggerData(tags={"env": "prod"})))
        gone = asked(made, {"tag": "env=gone"})
        assert (gone["found"], gone["offered"]) == (0, False)
        there = asked(made, {"tag": "env=prod"})
        assert (there["found"], there["offered"]) == (1, True)
