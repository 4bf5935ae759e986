"""The roster is always what the store says, however events arrive."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pulsebot import event as events
from pulsebot.decide import Decider
from pulsebot.event import CrashData, Event, MessageData, State, StatusData, TriggerData
from pulsebot.intake import Intake
from pulsebot.settings import Clock
from pulsebot.store import counts
from pulsebot.web.board import changes as board_changes
from pulsebot.web.board.changes import Changes
from pulsebot.web.board.roster import Roster
from tests.fakes.world import NO_RULES, World, world

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 10, 25, 12, tzinfo=BERLIN)  # the day that has 25 hours


def ms(moment: datetime) -> int:
    """Return a time in milliseconds."""
    return round(moment.timestamp() * 1000)


def watched(made: World) -> Changes:
    """Let the world's intake tell of what it counts."""
    changes = Changes()
    made.intake = Intake(Decider(NO_RULES, BERLIN), Clock(), counted=changes.note)
    return changes


def tell(made: World, changes: Changes, *told: Event) -> None:
    """Take events in and commit."""
    made.tell(*told)
    changes.commit()


def refreshed(roster: Roster, made: World, changes: Changes, at: datetime) -> Roster:
    """Bring a roster up to date as the hub does."""
    with changes.taken() as touched:
        roster.refresh(made.connection, ms(at), touched)
    return roster


def test_a_roster_kept_up_to_date_equals_one_read_anew(tmp_path: Path) -> None:
    """Late, early, disordered events over days and midnights: each step gives the store's sums."""
    dice = random.Random(7)  # noqa: S311 - a repeatable choice
    with world(tmp_path / "bot.db") as made:
        changes, kept = watched(made), Roster(BERLIN)
        for step in range(60):
            now = NOON + timedelta(hours=step)
            told: list[Event] = []
            for _ in range(dice.randrange(6)):
                service = dice.choice(["a", "b", "c"])
                at = now - timedelta(minutes=dice.choice([0, 1, 59, 600, 1500, 9000]))
                told.append(events.trigger(service, at, TriggerData(count=dice.randrange(1, 9))))
                told.append(events.crash(service, at, CrashData(error="E")))
                told.append(events.message(service, at, MessageData(text=f"{step}")))
            if told:
                tell(made, changes, *told)
            refreshed(kept, made, changes, now)
            anew = Roster(BERLIN)
            anew.refresh(made.connection, ms(now), None)
            assert kept.lines == anew.lines
            for name, line in kept.lines.items():
                for kind, start_ms, count in (
                    ("trigger", kept.spans.today_ms, line.counts.triggers),
                    ("crash", kept.spans.today_ms, line.counts.crashes_today),
                    ("crash", kept.spans.week_ms, line.counts.crashes_week),
                ):
                    stored = counts.total(made.connection, kind, name, start_ms, ms(now) + 1)
                    assert count == stored


def test_today_is_the_civil_day_also_when_it_has_25_hours(tmp_path: Path) -> None:
    """At 23:30 of the long day, the triggers of its first half hour still count."""
    with world(tmp_path / "bot.db") as made:
        changes = watched(made)
        first = datetime(2026, 10, 25, 0, 10, tzinfo=BERLIN)
        tell(made, changes, events.trigger("a", first, TriggerData(count=5)))
        late = datetime(2026, 10, 25, 23, 30, tzinfo=BERLIN)
        roster = refreshed(Roster(BERLIN), made, changes, late)
        assert roster.lines["a"].counts.triggers == 5
        assert sum(roster.lines["a"].counts.hourly) == 0  # it is more than 24 hours ago
        next_day = refreshed(roster, made, changes, late + timedelta(hours=1))
        assert next_day.lines["a"].counts.triggers == 0


def test_a_status_that_was_not_repeated_for_long_is_stale(tmp_path: Path) -> None:
    """After five minutes without a heartbeat the roster tells when the last one came."""
    with world(tmp_path / "bot.db") as made:
        changes, roster = watched(made), Roster(BERLIN)
        tell(made, changes, events.status("a", NOON, StatusData(state=State.UP), instance="1"))
        refreshed(roster, made, changes, NOON + timedelta(minutes=5))
        assert roster.lines["a"].stale_ms is None
        refreshed(roster, made, changes, NOON + timedelta(minutes=6))
        assert roster.lines["a"].stale_ms == ms(NOON)


def test_tags_are_the_last_seen_ones(tmp_path: Path) -> None:
    """A service has the newest value of each tag name, also after a restart of the bot."""
    at = datetime(2026, 11, 23, 9, tzinfo=UTC)
    with world(tmp_path / "bot.db") as made:
        changes = watched(made)
        made.intake.load(made.connection)
        for minute, tags in enumerate(({"env": "dev", "team": "x"}, {"env": "prod"}, {})):
            data = TriggerData(tags=tags)
            tell(made, changes, events.trigger("a", at + timedelta(minutes=minute), data))
        made.intake.load(made.connection)
        roster = refreshed(Roster(BERLIN), made, changes, at)
        assert dict(roster.lines["a"].tags) == {"env": "prod", "team": "x"}


def test_too_many_changes_are_read_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody looked for long, what changed is forgotten, and everything is read again."""
    monkeypatch.setattr(board_changes, "LIMIT", 3)
    with world(tmp_path / "bot.db") as made:
        changes = watched(made)
        refreshed(Roster(BERLIN), made, changes, NOON)
        tell(made, changes, *(events.trigger(f"s{n}", NOON, TriggerData()) for n in range(9)))
        with changes.taken() as touched:
            assert touched is None
