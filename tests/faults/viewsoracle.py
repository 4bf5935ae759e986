"""What SQL views must hold, computed from the bytes that were written, without pulsebot.

Plain Python over all records: repetitions are dropped by their identity, absurd times count
for the log's, and each view is a few lines of counting.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from tests.faults.workload import FUTURE_MS, PAST_MS, Written, identity, parsed

STATEMENTS = """\
CREATE TABLE TRIGGER_PER_DAY AS
SELECT SERVICE_ID, COUNT(*) FROM SERVICE_TRIGGER
WINDOW TUMBLING (SIZE 1 DAY)
GROUP BY SERVICE_ID;

CREATE TABLE CRASHES AS
SELECT SERVICE_ID, ERROR, COUNT(*) N FROM SERVICE_CRASH
WINDOW HOPPING (SIZE 10 MINUTES, ADVANCE BY 5 MINUTES) GROUP BY SERVICE_ID, ERROR;

CREATE TABLE BURSTS AS
SELECT SERVICE_ID, COUNT(*) N FROM SERVICE_TRIGGER
WINDOW SESSION (500 MILLISECONDS) WHERE SERVICE_ID IN ('svc-1', 'svc-2') GROUP BY SERVICE_ID;

CREATE STREAM BIG AS SELECT SERVICE_ID S, COUNT FROM SERVICE_TRIGGER WHERE COUNT > 5;

CREATE TABLE BIGGEST AS SELECT S, SUM(COUNT) TOTAL, MAX(COUNT) MOST FROM BIG GROUP BY S;
"""

REPLACEMENTS = tuple(
    statement.strip().replace("CREATE", "CREATE OR REPLACE", 1)
    for statement in STATEMENTS.split(";")
    if "CREATE TABLE" in statement
)

QUERIES = {
    "TRIGGER_PER_DAY": "SELECT SERVICE_ID, WINDOWSTART, COUNT FROM TRIGGER_PER_DAY",
    "CRASHES": "SELECT SERVICE_ID, ERROR, WINDOWSTART_MS, N FROM CRASHES",
    "BURSTS": "SELECT SERVICE_ID, WINDOWSTART_MS, WINDOWEND_MS, N FROM BURSTS",
    "BIGGEST": "SELECT S, TOTAL, MOST FROM BIGGEST",
}

Rows = list[tuple[Any, ...]]

_FIVE_MINUTES_MS = 300_000
_GAP_MS = 500


def expected_rows(written: Iterable[Written]) -> dict[str, Rows]:
    """Return the rows of every view, sorted."""
    triggers: list[tuple[str, int, int]] = []
    crashes: list[tuple[str, str, int]] = []
    for event, time_ms in _accepted(written):
        service, data = event["source"], event["data"]
        if event["type"] == "pulse.trigger":
            triggers.append((service, time_ms, data.get("count", 1)))
        if event["type"] == "pulse.crash":
            crashes.append((service, data["error"], time_ms))
    return {
        "TRIGGER_PER_DAY": _per_day(triggers),
        "CRASHES": _crashes(crashes),
        "BURSTS": sorted(
            row for service in ("svc-1", "svc-2") for row in _bursts(service, triggers)
        ),
        "BIGGEST": _biggest(triggers),
    }


def _accepted(written: Iterable[Written]) -> Iterable[tuple[dict[str, Any], int]]:
    seen: set[tuple[Any, ...]] = set()
    for record in written:
        event = parsed(record.value)
        if event is None or identity(event) in seen:
            continue
        seen.add(identity(event))
        time_ms = round(datetime.fromisoformat(event["time"]).timestamp() * 1000)
        if not record.log_ms - PAST_MS <= time_ms <= record.log_ms + FUTURE_MS:
            time_ms = record.log_ms
        yield event, time_ms


def _per_day(triggers: Iterable[tuple[str, int, int]]) -> Rows:
    counts = Counter[tuple[str, str]]()
    for service, time_ms, count in triggers:
        day = datetime.fromtimestamp(time_ms / 1000, UTC).date()
        counts[service, f"{day}T00:00:00+00:00"] += count
    return sorted((*key, count) for key, count in counts.items())


def _crashes(crashes: Iterable[tuple[str, str, int]]) -> Rows:
    counts = Counter[tuple[str, str, int]]()
    for service, error, time_ms in crashes:
        latest_ms = time_ms - time_ms % _FIVE_MINUTES_MS
        for start_ms in (latest_ms - _FIVE_MINUTES_MS, latest_ms):
            counts[service, error, start_ms] += 1
    return sorted((*key, count) for key, count in counts.items())


def _bursts(service: str, triggers: Iterable[tuple[str, int, int]]) -> Rows:
    times = sorted((time_ms, count) for name, time_ms, count in triggers if name == service)
    rows: list[list[int]] = []
    for time_ms, count in times:
        if rows and time_ms <= rows[-1][1] - 1 + _GAP_MS:
            rows[-1][1] = time_ms + 1
            rows[-1][2] += count
        else:
            rows.append([time_ms, time_ms + 1, count])
    return [(service, *row) for row in rows]


def _biggest(triggers: Iterable[tuple[str, int, int]]) -> Rows:
    big = defaultdict[str, list[int]](list)
    for service, _, count in triggers:
        if count > 5:
            big[service].append(count)
    return sorted((service, sum(counts), max(counts)) for service, counts in big.items())
