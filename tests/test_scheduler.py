from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from pulsebot import event as events
from pulsebot import message as messages
from pulsebot.event import TriggerData
from pulsebot.message import plain
from pulsebot.routing.digest import Digest
from pulsebot.scheduler import Scheduler, Times
from pulsebot.settings import Retention
from pulsebot.store import counts, outbox
from pulsebot.store.database import Connection, Database
from pulsebot.store.outbox import Row
from tests.fakes.world import world

BERLIN = ZoneInfo("Europe/Berlin")
DAILY = Digest.model_validate({"at": "09:00", "tz": "Europe/Berlin", "to": ["console", "slack:#a"]})


def ms(text: str) -> int:
    """Return a time as epoch milliseconds."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def scheduler_by(database: Database, clock: Mapping[str, str]) -> Scheduler:
    """Make a scheduler that believes it is `now`, the stream having been read until `read`."""
    return Scheduler(
        database,
        lambda: {"daily": DAILY},
        Retention(),
        expire_views=lambda _connection, _now_ms: False,
        refresh_lookups=_nothing_to_read,
        times=Times(lambda: ms(clock["now"]), lambda: ms(clock["read"])),
        committed=lambda: None,
    )


def scheduler(database: Database, now: str) -> Scheduler:
    """Make a scheduler that believes it is `now`, with nothing left to read."""
    return scheduler_by(database, {"now": now, "read": now})


async def _nothing_to_read() -> None:
    """There are no lookup files."""


def heads(connection: Connection) -> list[Row]:
    """Return what waits."""
    return outbox.heads(connection)


async def test_a_digest_is_made_once_per_local_date(tmp_path: Path) -> None:
    """Asking again, later or in another process, makes no second one; the next date does."""
    path = tmp_path / "a.db"
    with world(path) as past:
        past.tell(events.trigger("svc-a", datetime(2026, 11, 22, tzinfo=BERLIN)))
    async with Database(path) as database:
        await scheduler(database, "2026-11-23T08:59:00+01:00").digests()
        assert await database.read(heads) == []
        await scheduler(database, "2026-11-23T09:00:00+01:00").digests()
        await scheduler(database, "2026-11-23T09:00:05+01:00").digests()
    async with Database(path) as database:
        await scheduler(database, "2026-11-23T22:00:00+01:00").digests()
        assert sorted(row.receiver for row in await database.read(heads)) == ["console", "slack:#a"]
        assert (await database.read(outbox.depth))["console"][0] == 1
        await scheduler(database, "2026-11-24T09:00:00+01:00").digests()
        assert (await database.read(outbox.depth))["console"][0] == 2


async def test_a_bot_that_heard_nothing_yet_makes_no_digest(tmp_path: Path) -> None:
    """A new installation does not begin with an empty digest."""
    async with Database(tmp_path / "a.db") as database:
        await scheduler(database, "2026-11-23T12:00:00+01:00").digests()
        assert await database.read(heads) == []


async def test_a_new_bot_tells_of_no_day_on_which_it_was_not_there(tmp_path: Path) -> None:
    """Set up this morning, it does not say that nothing happened yesterday."""
    path = tmp_path / "a.db"
    with world(path) as past:
        past.tell(events.trigger("svc-a", datetime(2026, 11, 23, 0, 30, tzinfo=BERLIN)))
    async with Database(path) as database:
        await scheduler(database, "2026-11-23T12:00:00+01:00").digests()
        assert await database.read(heads) == []
        await scheduler(database, "2026-11-24T09:00:00+01:00").digests()
        said = plain(messages.decode((await database.read(heads))[0].message))
    assert said.startswith("Monday: 1 trigger")


async def test_a_digest_tells_of_the_civil_day_before(tmp_path: Path) -> None:
    """Half an hour after midnight in Berlin belongs to the new day there."""
    path = tmp_path / "a.db"
    with world(path) as past:
        for text, count in (
            ("2026-11-21T23:30", 7),
            ("2026-11-22T00:30", 5),
            ("2026-11-23T00:30", 3),
        ):
            when = datetime.fromisoformat(text).replace(tzinfo=BERLIN)
            past.tell(events.trigger("svc-a", when, TriggerData(count=count)))
    async with Database(path) as database:
        await scheduler(database, "2026-11-23T09:00:00+01:00").digests()
        said = plain(messages.decode((await database.read(heads))[0].message))
    assert said.startswith("Sunday: 5 triggers, 0 crashes in 1 service")
    assert "-29 %" in said


async def test_a_digest_waits_until_its_day_is_counted(tmp_path: Path) -> None:
    """After an outage the bot first takes in what it missed; only then it tells of yesterday."""
    path = tmp_path / "a.db"
    with world(path) as past:
        past.tell(events.trigger("svc-a", datetime(2026, 11, 22, 12, tzinfo=BERLIN)))
    async with Database(path) as database:
        clock = {"now": "2026-11-23T10:30:00+01:00", "read": "2026-11-22T18:00:00+01:00"}
        desk = scheduler_by(database, clock)
        await desk.digests()
        assert await database.read(heads) == []
        clock["read"] = "2026-11-23T08:59:59+01:00"
        await desk.digests()
        assert await database.read(heads) == []
        clock["read"] = "2026-11-23T09:00:00+01:00"
        await desk.digests()
        said = plain(messages.decode((await database.read(heads))[0].message))
    assert "Not complete" not in said


async def test_a_digest_does_not_wait_for_ever(tmp_path: Path) -> None:
    """While the stream is away it comes all the same, ten minutes late, and says what it lacks."""
    path = tmp_path / "a.db"
    with world(path) as past:
        past.tell(events.trigger("svc-a", datetime(2026, 11, 22, 12, tzinfo=BERLIN)))
    async with Database(path) as database:
        clock = {"now": "2026-11-23T09:00:00+01:00", "read": "2026-11-22T18:00:00+01:00"}
        desk = scheduler_by(database, clock)
        await desk.digests()
        clock["now"] = "2026-11-23T09:09:59+01:00"
        await desk.digests()
        assert await database.read(heads) == []
        clock["now"] = "2026-11-23T09:10:00+01:00"
        await desk.digests()
        said = plain(messages.decode((await database.read(heads))[0].message))
    assert "Not complete: I could not read the stream beyond 22 Nov 18:00" in said


async def test_upkeep_rolls_up_and_forgets(tmp_path: Path) -> None:
    """Old minutes become quarter hours; what is past its retention goes."""
    now = "2026-11-23T09:00:00+01:00"
    day_ms = 86_400_000

    def put(connection: Connection) -> None:
        for days in (1, 20, 500):
            start = (ms(now) - days * day_ms) // 60_000 * 60_000
            counts.add(connection, {("trigger", "a", start): days})

    def widths(connection: Connection) -> tuple[list[int], list[int]]:
        minutes = connection.execute("SELECT count FROM count_1m").fetchall()
        quarters = connection.execute("SELECT count FROM count_15m").fetchall()
        return [n for (n,) in minutes], [n for (n,) in quarters]

    async with Database(tmp_path / "a.db") as database:
        await database.write(put)
        await scheduler(database, now).upkeep()
        assert await database.read(widths) == ([1], [20])
