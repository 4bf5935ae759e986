from datetime import UTC, datetime

from pulsebot.event import State, StatusData, status
from pulsebot.store import statuses
from pulsebot.store.database import Connection
from pulsebot.store.statuses import Change

SOME_TIME = datetime(2026, 11, 23, tzinfo=UTC)


def _tell(connection: Connection, state: str, at_ms: int, instance: str = "i") -> Change | None:
    event = status("svc", SOME_TIME, StatusData(state=State(state)), instance=instance)
    changes = statuses.apply(connection, [(event, at_ms)])
    return changes[0] if changes else None


def test_first_status_is_a_change_from_nothing(connection: Connection) -> None:
    """The first status of an instance has no previous state."""
    change = _tell(connection, "up", 10)
    assert change is not None
    assert change.previous is None


def test_heartbeat_only_moves_seen(connection: Connection) -> None:
    """The same state again is no change: since stays, seen moves."""
    _tell(connection, "up", 10)
    assert _tell(connection, "up", 20) is None
    (now,) = statuses.instances(connection, "svc")
    assert (now.since_ms, now.seen_ms) == (10, 20)


def test_late_status_does_not_change_the_present(connection: Connection) -> None:
    """An older status enters the history only."""
    _tell(connection, "up", 10)
    _tell(connection, "up", 30)
    late = _tell(connection, "down", 20)
    assert late is not None
    assert (late.previous, late.state) == ("up", "down")
    (now,) = statuses.instances(connection, "svc")
    assert (now.state, now.seen_ms) == ("up", 30)


def test_restart_is_coming_back(connection: Connection) -> None:
    """Starting, or up after down, is a restart; a first start or a recovery is not."""
    first = _tell(connection, "starting", 1)
    _tell(connection, "up", 2)
    down = _tell(connection, "down", 3)
    back = _tell(connection, "up", 4)
    degraded = _tell(connection, "degraded", 5)
    well = _tell(connection, "up", 6)
    again = _tell(connection, "starting", 7)
    changes = [first, down, back, degraded, well, again]
    assert all(change is not None for change in changes)
    restarts = [statuses.is_restart(change) for change in changes if change]
    assert restarts == [False, False, True, False, False, True]


def test_changes_are_newest_first(connection: Connection) -> None:
    """History is told from the newest back, within the window."""
    for at_ms, state in ((1, "up"), (2, "down"), (3, "up"), (9, "down")):
        _tell(connection, state, at_ms)
    found = statuses.changes(connection, "svc", 2, 9, 10)
    assert [(c.at_ms, c.state) for c in found] == [(3, "up"), (2, "down")]
