"""Views of streams of streams, and of what stands for several events: beside plain Python."""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulsebot import event as events
from pulsebot.event import Trigger, TriggerData
from tests.materialize.keeping import keeping, shown

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)

TRIGGERS = st.builds(
    lambda service, second, **data: events.trigger(
        service, NOON + timedelta(seconds=second), TriggerData(**data)
    ),
    service=st.sampled_from(["svc-a", "svc-b"]),
    second=st.integers(0, 150),
    name=st.sampled_from([None, "order", "pay"]),
    count=st.integers(1, 4),
    duration_ms=st.sampled_from([None, 1.0, 20.0]),
    tags=st.sampled_from([{}, {"env": "prod"}, {"env": "dev", "team": "a"}]),
)

STREAMS = (
    "SELECT * FROM SERVICE_TRIGGER WHERE TAGS['env'] = 'prod'",
    "SELECT * FROM SERVICE_TRIGGER WHERE DURATION_MS > 5",
    "SELECT NAME AS N, COUNT AS C, SERVICE_ID AS S, ROWTIME FROM SERVICE_TRIGGER",
    "SELECT UCASE(N) AS N, C + 0 AS C, S FROM S2 WHERE S = 'svc-a'",
)

Oracle = Callable[[Trigger], object]

COUNTED: Mapping[str, tuple[Oracle, Oracle]] = {
    "SELECT SERVICE_ID, COUNT(*) FROM S0 GROUP BY SERVICE_ID": (
        lambda e: e.data.tags.get("env") == "prod",
        lambda e: e.service,
    ),
    "SELECT SERVICE_ID, COUNT(*) FROM S1 GROUP BY SERVICE_ID": (
        lambda e: (e.data.duration_ms or 0) > 5,
        lambda e: e.service,
    ),
    "SELECT N, SUM(C) FROM S2 GROUP BY N": (lambda _: True, lambda e: e.data.name),
    "SELECT N, COUNT(*) FROM S3 GROUP BY N": (
        lambda e: e.service == "svc-a",
        lambda e: e.data.name and e.data.name.upper(),
    ),
    "SELECT CASE WHEN NAME = 'pay' THEN 'p' ELSE TAGS['team'] END AS K, COUNT(1)"
    " FROM SERVICE_TRIGGER GROUP BY K": (
        lambda _: True,
        lambda e: "p" if e.data.name == "pay" else e.data.tags.get("team"),
    ),
}
"""Statements, which events they count, and by what."""


@settings(max_examples=25, deadline=None)
@given(told=st.lists(TRIGGERS, min_size=1, max_size=30))
def test_what_a_stream_leaves_out_is_not_counted(
    tmp_path_factory: pytest.TempPathFactory, told: list[Trigger]
) -> None:
    """Filters and new names of streams count whichever attribute they look at; NULL is a key."""
    path = tmp_path_factory.mktemp("streams") / "a.db"
    with keeping(path, *COUNTED, streams=STREAMS) as made:
        made.tell(*told)
        for number, (keeps, key) in enumerate(COUNTED.values()):
            expected: Counter[object] = Counter()
            for event in told:
                if keeps(event):
                    expected[key(event)] += event.data.count
            assert dict(shown(made, number)) == expected, STREAMS


def test_a_trigger_for_several_is_weighed_once(tmp_path: Path) -> None:
    """Of three triggers in one event there are three durations, but one count of three."""
    selects = [
        f"SELECT {what} FROM SERVICE_TRIGGER"  # noqa: S608 - our own words
        for what in ("COUNT(*)", "COUNT(DURATION_MS)", "SUM(COUNT)", "SUM(DURATION_MS)")
    ]
    with keeping(tmp_path / "a.db", *selects) as made:
        made.tell(
            events.trigger("svc-a", NOON, TriggerData(count=3, duration_ms=2.0)),
            events.trigger("svc-a", NOON),
        )
        assert [shown(made, n) for n in range(4)] == [[(4,)], [(3,)], [(4,)], [(6.0,)]]
