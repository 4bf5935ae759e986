"""Counts triggers per service and day with Quix Streams; runs in an environment of its own.

    python quix_count.py BOOTSTRAP TOPIC GROUP STATE_FOLDER RECORDS

Prints the seconds from the first record until all are processed and committed, and the sum of
all counts. Exactly once: state, changelog and offsets go into Kafka's transactions.
"""

import sys
import time
from datetime import datetime, timedelta
from typing import Any

from quixstreams import Application

counts: dict[tuple[Any, int], int] = {}
started: list[float] = []


def times(event: dict[str, Any]) -> int:
    """Return how often an event was triggered."""
    if not started:
        started.append(time.perf_counter())
    return int(event["data"].get("count", 1))


def event_time(event: dict[str, Any], *_: object) -> int:
    """Return the event's own time in milliseconds."""
    return int(datetime.fromisoformat(event["time"]).timestamp() * 1000)


def note(value: dict[str, Any], key: Any, *_: object) -> None:
    """Keep the newest count of a window."""
    counts[key, value["start"]] = value["value"]


def main() -> None:
    """Count, and print."""
    bootstrap, name, group, folder, records = sys.argv[1:]
    app = Application(
        broker_address=bootstrap,
        consumer_group=group,
        auto_offset_reset="earliest",
        state_dir=folder,
        processing_guarantee="exactly-once",
        loglevel="ERROR",
    )
    topic = app.topic(name, value_deserializer="json", timestamp_extractor=event_time)
    day = timedelta(days=1)
    counting = app.dataframe(topic).apply(times).tumbling_window(day, grace_ms=day).sum()
    counting.current().update(note, metadata=True)
    app.run(count=int(records))
    print(time.perf_counter() - started[0], sum(counts.values()))


if __name__ == "__main__":
    main()
