"""Tags of services: the last seen value of each name, for whoever groups or filters services.

Learned from events as they come in; written only when something is new, and looked at only
once a minute for each service, so that tags cost ingest next to nothing.
"""

import json
from collections.abc import Collection, Iterable, Mapping

from pulsebot.event import Event
from pulsebot.store.database import Connection

MAX_NAMES = 20
"""Names kept of one service; beyond, only the newest event's own stay."""


class Learner:
    """Learns tags for one database; call `load` first and after every transaction that failed."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, str]] = {}

    def load(self, connection: Connection) -> None:
        """Take over what is stored."""
        self._known = by_service(connection)

    def learn(
        self, connection: Connection, events: Iterable[Event], services: Collection[str]
    ) -> None:
        """Take in the tags of these services' newest events, in the caller's transaction."""
        if not services:
            return
        newest: dict[str, Mapping[str, str]] = {
            event.service: event.data.tags
            for event in events
            if event.data.tags and event.service in services
        }
        changed = []
        for service, tags in newest.items():
            known = self._known.get(service, {})
            if not tags.items() <= known.items():
                self._known[service] = merged = _merge(known, tags)
                changed.append((service, json.dumps(merged, ensure_ascii=False)))
        connection.executemany("INSERT OR REPLACE INTO service_tag VALUES (?, ?)", changed)


def by_service(connection: Connection) -> dict[str, dict[str, str]]:
    """Return the tags of every service that has any, by name."""
    rows = connection.execute("SELECT service, tags FROM service_tag")
    return {service: json.loads(tags) for service, tags in rows}


def _merge(known: Mapping[str, str], tags: Mapping[str, str]) -> dict[str, str]:
    merged = {**known, **tags}
    if len(merged) > MAX_NAMES:
        merged = dict(list(tags.items())[:MAX_NAMES])
    return dict(sorted(merged.items()))
