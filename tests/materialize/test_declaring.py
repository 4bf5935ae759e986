"""View files at the bot's start: created, replaced, left alone, kept."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from pulsebot import app
from pulsebot import event as events
from pulsebot.app import App
from pulsebot.event import TriggerData
from pulsebot.ruleset import load_rules
from pulsebot.settings import Settings
from pulsebot.store import viewcatalog
from tests.materialize.site import PER_DAY, send, site

TOTAL = "CREATE TABLE T AS SELECT COUNT(*) FROM SERVICE_TRIGGER"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Site:
    """An installation with a folder of view files, whose bot runs once at a time."""

    def __init__(self, folder: Path) -> None:
        self.rules = folder / "rules"
        self.rules.mkdir()
        self.settings = site(folder)
        self.logs: list[Any] = []

    def write(self, text: str, name: str = "views.sql") -> None:
        """Write a view file."""
        (self.rules / name).write_text(text)

    async def run(self, *queries: str, **changed: object) -> list[Any]:
        """Run the bot once; return ids of its views' versions, then what the queries answer."""
        settings: Settings = self.settings.model_copy(update=changed)
        ruleset = load_rules([self.rules], chats={})
        with capture_logs() as self.logs:
            async with app.opened(settings, ruleset) as opened:
                await app.run_once(opened)
                return [await self.ids(opened), *[await self.rows(opened, q) for q in queries]]

    async def ids(self, opened: App) -> dict[str, int]:
        """Return the catalog's names with the ids of their versions."""
        entries = await opened.database.read(viewcatalog.entries)
        return {entry.name: entry.id for entry in entries}

    async def rows(self, opened: App, query: str) -> list[tuple[Any, ...]]:
        """Return what a query answers."""
        [answer] = await opened.desk.execute(query)
        return [tuple(row) for row in answer.rows]


async def test_a_view_comes_and_changes_with_its_file(tmp_path: Path) -> None:
    """New: built from old events. The same but for blanks: untouched. Changed: replaced."""
    bot = Site(tmp_path)
    await send(bot.settings, events.trigger("svc-a", NOON, TriggerData(count=3)))
    bot.write(PER_DAY)
    first, counts = await bot.run("SELECT COUNT FROM PER_DAY")
    assert counts == [(3,)]
    bot.write("-- a comment\n" + PER_DAY.replace("\n", "\n\n  ") + ";")
    second, shown = await bot.run("SHOW TABLES")
    assert second == first
    assert str(bot.rules / "views.sql") in shown[0]
    bot.write(PER_DAY.replace("COUNT(*)", "COUNT(*) * 2 AS TWICE"))
    third, counts = await bot.run("SELECT TWICE FROM PER_DAY")
    assert counts == [(6,)]
    assert third["PER_DAY"] != first["PER_DAY"]


async def test_what_no_file_declares_any_longer_is_kept(tmp_path: Path) -> None:
    """Deleting a file deletes no history; the log says what is left."""
    bot = Site(tmp_path)
    bot.write(PER_DAY)
    bot.write("CREATE TABLE T AS SELECT COUNT(*) FROM SERVICE_CRASH", "other.sql")
    first, *_ = await bot.run()
    (bot.rules / "views.sql").unlink()
    second, *_ = await bot.run()
    assert second == first
    [kept] = [entry for entry in bot.logs if "no file declares" in entry["event"]]
    assert kept["view"] == "PER_DAY"


async def test_a_view_made_by_hand_is_taken_over(tmp_path: Path) -> None:
    """The same statement in a file only notes the file; another one replaces it."""
    bot = Site(tmp_path)
    bot.write("CREATE TABLE T AS SELECT COUNT(*) FROM SERVICE_CRASH")
    async with app.opened(bot.settings, load_rules([bot.rules], chats={})) as opened:
        await app.run_once(opened)
        await opened.desk.execute(PER_DAY)
        await opened.desk.builder.built()
        made = (await bot.ids(opened))["PER_DAY"]
    bot.write(PER_DAY, "a.sql")
    ids, shown = await bot.run("SHOW TABLES")
    assert ids["PER_DAY"] == made
    assert any(str(bot.rules / "a.sql") in row for row in shown)


async def test_another_configured_zone_builds_days_again(tmp_path: Path) -> None:
    """Views without a zone of their own, from files and by hand; others stay as they are."""
    bot = Site(tmp_path)
    late = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
    await send(bot.settings, events.trigger("svc-a", late))
    own = PER_DAY.replace("1 DAY", "1 DAY, TIMEZONE 'UTC'").replace("PER_DAY", "OWN")
    bot.write(f"{PER_DAY};{own};{TOTAL}")
    query = "SELECT WINDOWSTART FROM PER_DAY"
    first, starts = await bot.run(query)
    assert starts == [("2026-11-20T00:00:00+00:00",)]
    second, starts = await bot.run(query, timezone="Europe/Berlin")
    assert starts == [("2026-11-21T00:00:00+01:00",)]
    assert {name for name in first if second[name] != first[name]} == {"PER_DAY"}


async def test_a_stream_that_is_read_is_not_changed_under_its_readers(tmp_path: Path) -> None:
    """The old one stays, the bot starts, and the log says what to do."""
    bot = Site(tmp_path)
    stream = "CREATE STREAM S AS SELECT SERVICE_ID FROM SERVICE_TRIGGER;"
    table = "CREATE TABLE T AS SELECT SERVICE_ID, COUNT(*) FROM S GROUP BY SERVICE_ID;"
    bot.write(stream + table)
    first, *_ = await bot.run()
    bot.write(stream.replace("S AS SELECT", "S AS SELECT INSTANCE_ID,") + table)
    second, *_ = await bot.run()
    assert second == first
    [told] = [entry for entry in bot.logs if entry["log_level"] == "error"]
    assert "S is read by T; before this: DROP TABLE T; and after it create T" in told["error"]
