import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulsebot import event as events
from pulsebot.event import Trigger, TriggerData
from pulsebot.store import viewcatalog
from tests.fakes.world import World
from tests.materialize.keeping import keeping, shown

DAY = "SELECT SERVICE_ID, COUNT(*) FROM SERVICE_TRIGGER {window} GROUP BY SERVICE_ID"


def ms(moment: datetime) -> int:
    """Return a time as epoch milliseconds."""
    return round(moment.timestamp() * 1000)


def at(moment: datetime, service: str = "svc-a", count: int = 1) -> Trigger:
    """Return triggers of a service at a moment."""
    return events.trigger(service, moment, TriggerData(count=count))


@pytest.mark.parametrize(
    ("zone", "first"),
    [
        ("Europe/Berlin", datetime(2026, 10, 24, tzinfo=UTC)),
        ("Europe/Berlin", datetime(2026, 3, 28, tzinfo=UTC)),
        ("Asia/Kathmandu", datetime(2026, 1, 31, tzinfo=UTC)),
        ("America/Sao_Paulo", datetime(2018, 11, 3, tzinfo=UTC)),
        ("Australia/Lord_Howe", datetime(2026, 4, 4, tzinfo=UTC)),
    ],
)
@pytest.mark.parametrize("unit", ["DAY", "WEEK", "MONTH"])
def test_civil_windows_are_those_of_the_zone(
    tmp_path: Path, zone: str, first: datetime, unit: str
) -> None:
    """Days of 23, 24 and 25 hours, midnights that are skipped, weeks from Monday, months."""
    moments = [first + timedelta(minutes=15 * n) for n in range(4 * 72)]
    window = f"WINDOW TUMBLING (SIZE 1 {unit}, TIMEZONE '{zone}')"
    with keeping(tmp_path / "a.db", DAY.format(window=window)) as made:
        made.tell(*map(at, moments))
        found = dict(shown(made, columns="substr(WINDOWSTART, 1, 10), COUNT"))
    expected: Counter[str] = Counter()
    for moment in moments:
        day = moment.astimezone(ZoneInfo(zone)).date()
        if unit == "WEEK":
            day -= timedelta(days=day.weekday())
        expected[(day.replace(day=1) if unit == "MONTH" else day).isoformat()] += 1
    assert found == expected


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_order_repetition_and_batches_do_not_matter(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Shuffled, repeated and split differently, events give the same rows in every kind of view."""
    selects = (
        DAY.format(window="WINDOW TUMBLING (SIZE 1 HOUR)"),
        DAY.format(window="WINDOW HOPPING (SIZE 1 HOUR, ADVANCE BY 20 MINUTES)"),
        DAY.format(window="WINDOW SESSION (10 MINUTES)"),
        (
            "SELECT SERVICE_ID, LATEST_BY_OFFSET(COUNT), AVG(COUNT), COLLECT_LIST(COUNT)"
            " FROM SERVICE_TRIGGER GROUP BY SERVICE_ID"
        ),
    )
    start = datetime(2026, 11, 23, tzinfo=UTC)
    minutes = data.draw(st.lists(st.integers(0, 400), min_size=1, max_size=40))
    told = [
        at(start + timedelta(minutes=m, seconds=n), f"svc-{n % 2}", 1 + n % 3)
        for n, m in enumerate(minutes)
    ]
    results = []
    for shuffle in (False, True):
        with keeping(tmp_path_factory.mktemp("order") / "a.db", *selects) as made:
            records = [made.record(event) for event in told]
            if shuffle:
                dice = random.Random(data.draw(st.integers()))  # noqa: S311 - hypothesis's own
                records += dice.sample(records, len(records) // 2)
                dice.shuffle(records)
            size = data.draw(st.integers(1, 20))
            for index in range(0, len(records), size):
                made.apply(records[index : index + size])
            results.append([shown(made, number) for number in range(len(selects))])
    assert results[0] == results[1]


@pytest.mark.parametrize("durations", [[None, 0.0], [0.0, None]])
@pytest.mark.parametrize("batch", [1, 2])
def test_equal_keys_are_one_whichever_came_first(
    tmp_path: Path, durations: list[float | None], batch: int
) -> None:
    """0 and 0.0, in one batch or in two; a number out of JSON stays one, defaults are there."""
    select = (
        "SELECT COALESCE(DURATION_MS, 0) AS D, MAX(DATA->'count') AS M, COUNT(*)"
        " FROM SERVICE_TRIGGER GROUP BY COALESCE(DURATION_MS, 0)"
    )
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    with keeping(tmp_path / "a.db", select) as made:
        told = [TriggerData(duration_ms=duration) for duration in durations]
        records = [made.record(events.trigger("svc-a", noon, data)) for data in told]
        for index in range(0, 2, batch):
            made.apply(records[index : index + batch])
        assert shown(made) == [(0.0, 1, 2)]
        assert made.connection.execute("SELECT _key FROM view_1").fetchall() == [("[0]",)]


def test_late_rows_count_unless_a_grace_period_has_ended(tmp_path: Path) -> None:
    """Lateness is judged by the record's log time; what came too late is counted as such."""
    window = "WINDOW TUMBLING (SIZE 1 HOUR, GRACE PERIOD 30 MINUTES)"
    selects = (DAY.format(window=window), DAY.format(window="WINDOW TUMBLING (SIZE 1 HOUR)"))
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    with keeping(tmp_path / "a.db", *selects) as made:
        for log_minute in (5, 60, 89, 90, 200):
            record = made.record(at(noon))
            made.apply([replace(record, timestamp=ms(noon + timedelta(minutes=log_minute)))])
        assert [row[1] for row in shown(made, 0)] == [3]
        assert [row[1] for row in shown(made, 1)] == [5]
        lost = [(e.name, e.late) for e in viewcatalog.entries(made.connection)]
        assert lost == [("V0", 2), ("V1", 0)]


def test_final_rows_appear_when_their_window_has_ended(tmp_path: Path) -> None:
    """EMIT FINAL waits for the end and the grace period; quiet streams end windows by ticks."""
    window = "WINDOW TUMBLING (SIZE 1 HOUR, GRACE PERIOD 5 MINUTES)"
    select = f"{DAY.format(window=window)} HAVING COUNT(*) > 1 EMIT FINAL"
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    with keeping(tmp_path / "a.db", select) as made:
        made.tell(at(noon, count=2), at(noon, "svc-b"))
        made.advance(ms(noon + timedelta(minutes=64)))
        assert shown(made) == []
        made.advance(ms(noon + timedelta(minutes=65)))
        assert [row[:2] for row in shown(made)] == [("svc-a", 2)]


def test_a_session_is_final_and_closed_when_its_gap_is_over(tmp_path: Path) -> None:
    """Until then it may grow, and what lies in it is not late; the grace period comes on top."""
    window = "WINDOW SESSION (30 MINUTES, GRACE PERIOD 5 MINUTES)"
    select = f"{DAY.format(window=window)} EMIT FINAL"
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    with keeping(tmp_path / "a.db", select) as made:
        for minute, log_minute in ((0, 1), (20, 50), (21, 56), (22, 70)):
            record = made.record(at(noon + timedelta(minutes=minute)))
            made.apply([replace(record, timestamp=ms(noon + timedelta(minutes=log_minute)))])
            made.advance(ms(noon + timedelta(minutes=min(log_minute, 55))))
            assert shown(made) == []
        made.advance(ms(noon + timedelta(minutes=56)))
        assert shown(made) == []
        made.advance(ms(noon + timedelta(minutes=57)))
        assert [row[:2] for row in shown(made)] == [("svc-a", 3)]
        assert viewcatalog.entries(made.connection)[0].late == 1


def test_keys_are_bounded_and_old_windows_go(tmp_path: Path) -> None:
    """A key too many is counted as refused; rows past the retention leave a tombstone."""
    select = DAY.format(window="WINDOW TUMBLING (SIZE 1 DAY)")
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    with keeping(tmp_path / "a.db", select, max_keys=2) as made:
        made.tell(*(at(noon, f"svc-{n}") for n in range(4)))
        assert len(shown(made)) == 2
        assert viewcatalog.entries(made.connection)[0].refused == 2
        _expire(made, ms(noon) + 402 * 86_400_000)
        assert shown(made) == []
        removed = made.connection.execute("SELECT key FROM sql_view_removed").fetchall()
        assert removed == [('["svc-0"]',), ('["svc-1"]',)]
        made.tell(at(noon, "svc-9"))
        assert [row[0] for row in shown(made)] == ["svc-9"]


def _expire(made: World, now_ms: int) -> None:
    made.connection.execute("BEGIN IMMEDIATE")
    while made.intake.views.expire(made.connection, now_ms):
        continue
    made.connection.execute("COMMIT")
