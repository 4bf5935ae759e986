from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pulsebot import app
from pulsebot import event as events
from pulsebot.errors import StoreError
from pulsebot.event import CrashData, Event, MessageData, State, StatusData, TriggerData, encode
from pulsebot.rebuild import Rebuild, rebuild
from pulsebot.settings import Settings
from pulsebot.store.database import connect, lock
from pulsebot.stream.base import Outgoing
from pulsebot.stream.config import LocalStream, Topics
from pulsebot.stream.open import open_writer
from tests.fakes.world import NO_RULES

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
VIEWS = (
    "count_1m", "crash_count", "crash_group", "instance", "status_change", "app_message",
    "service", "position", "mark_range", "mark_id",
)  # fmt: skip


def ms(moment: datetime) -> int:
    """Return a time as epoch milliseconds."""
    return round(moment.timestamp() * 1000)


def history() -> list[tuple[datetime, Event]]:
    """Return three hours of events with the log time of each; some are late or ahead."""
    told: list[tuple[datetime, Event]] = []
    for minute in range(0, 180, 3):
        at = NOON + timedelta(minutes=minute)
        told.append((at, events.trigger("svc-a", at, TriggerData(count=minute + 1))))
        state = State.UP if minute % 2 else State.DOWN
        told.append((at, events.status("svc-a", at, StatusData(state=state), instance="i")))
        told.append((at, events.message("svc-b", at, MessageData(text=f"m{minute}"))))
        late = events.trigger("svc-c", at - timedelta(minutes=40))
        ahead = events.trigger("svc-d", at + timedelta(minutes=9))
        told += [(at, late), (at, ahead), (at, late)]
        crash = CrashData(error="KeyError" if minute < 90 else "ValueError")
        told.append((at, events.crash("svc-a", at, crash)))
    return told


async def append(settings: Settings, told: Sequence[tuple[datetime, Event]]) -> None:
    """Write events to the log at their log times."""
    async with open_writer(settings.stream) as writer:
        await writer.append(
            [Outgoing(f"pulse.{e.kind}", e.service, encode(e), timestamp=ms(at)) for at, e in told]
        )


async def consume(settings: Settings) -> None:
    """Run the bot to the end of the log."""
    async with app.opened(settings, NO_RULES) as opened:
        await app.run_once(opened)


def dump(path: Path, *tables: str) -> dict[str, list[tuple[object, ...]]]:
    """Return all rows of the views."""
    connection = connect(path, read_only=True)
    rows = {t: sorted(connection.execute(f"SELECT * FROM {t}"), key=repr) for t in tables}  # noqa: S608 - constants
    connection.close()
    return rows


@pytest.fixture
async def settings(tmp_path: Path) -> Settings:
    """Give a log of three hours, consumed."""
    made = Settings(
        # What is written has times of its own, whatever the date.
        stream=LocalStream(path=tmp_path / "log.db", topics=Topics(retention_days=36_500)),
        database=tmp_path / "bot.db",
        web=None,
    )
    await append(made, history())
    await consume(made)
    return made


async def again(settings: Settings, since: datetime) -> Rebuild:
    """Rebuild from a moment on."""
    now = NOON + timedelta(hours=3)
    return await rebuild(settings, ms(since), ms(now), lambda _read, _total: None)


@pytest.mark.parametrize("minutes", [-60, 0, 45, 100, 170, 400])
async def test_rebuilding_changes_nothing_that_was_right(settings: Settings, minutes: int) -> None:
    """From whatever moment, late and early events included, the views come out the same."""
    before = dump(settings.database, *VIEWS)
    await again(settings, NOON + timedelta(minutes=minutes))
    after = dump(settings.database, *VIEWS)
    for table in VIEWS:
        assert after[table] == before[table], table


async def test_rebuilding_mends_wrong_counts(settings: Settings) -> None:
    """What was spoiled after the moment is right again, what lies before it is not touched."""
    before = dump(settings.database, "count_1m")
    connection = connect(settings.database)
    connection.execute("UPDATE count_1m SET count = 999 WHERE start_ms >= ?", (ms(NOON),))
    connection.close()
    done = await again(settings, NOON)
    assert dump(settings.database, "count_1m") == before
    assert done.events > 0
    assert not done.moved


async def test_unconsumed_records_stay_unconsumed(settings: Settings) -> None:
    """A record that came after the bot stopped is left for the bot."""
    at = NOON + timedelta(hours=4)
    await append(settings, [(at, events.trigger("svc-new", at))])
    await again(settings, NOON)
    services = {row[1] for row in dump(settings.database, "count_1m")["count_1m"]}
    assert "svc-new" not in services
    await consume(settings)
    assert "svc-new" in {row[1] for row in dump(settings.database, "count_1m")["count_1m"]}


async def test_a_running_bot_is_not_disturbed(settings: Settings) -> None:
    """While another process has the database, nothing is rebuilt."""
    before = dump(settings.database, *VIEWS)
    with lock(settings.database), pytest.raises(StoreError, match="another pulsebot"):
        await again(settings, NOON)
    assert dump(settings.database, *VIEWS) == before


async def test_nothing_is_left_beside_the_database(settings: Settings) -> None:
    """The working copy has taken the file's place, or is gone."""
    await again(settings, NOON)
    names = {path.name for path in settings.database.parent.iterdir()}
    assert not [name for name in names if "rebuild" in name]
