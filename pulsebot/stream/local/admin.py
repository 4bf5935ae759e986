"""The embedded log's Admin: topics come to be by themselves, but may be made beforehand.

This module must not know the tables.
"""

import asyncio
from collections.abc import Mapping, Sequence

from pulsebot.phrases import plural
from pulsebot.stream.base import TopicPlan
from pulsebot.stream.config import LocalStream
from pulsebot.stream.local.appender import Appender
from pulsebot.stream.local.writer import DAY_MS


class LocalAdmin:
    """Creates topics; each has one partition, and all share the retention of the settings."""

    def __init__(self, settings: LocalStream) -> None:
        self._settings = settings

    async def create(self, plans: Sequence[TopicPlan]) -> Mapping[str, str]:
        """Create what is missing; return per topic `created` or what was found instead."""
        return await asyncio.to_thread(self._create, plans)

    def _create(self, plans: Sequence[TopicPlan]) -> Mapping[str, str]:
        retention_ms = int(self._settings.topics.retention_days * DAY_MS)
        appender = Appender(self._settings.path, retention_ms)
        appender.open()
        try:
            found = {plan.name: appender.add_topic(plan.name) for plan in plans}
        finally:
            appender.close()
        return {
            name: "created"
            if records is None
            else f"exists: 1 partition, {plural(records, 'record')}"
            for name, records in found.items()
        }
