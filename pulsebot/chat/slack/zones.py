"""The time zones of people, from their Slack profiles.

An answer never waits long for one: without it, days are the configured zone's.
"""

import asyncio
from collections import OrderedDict

from slack_sdk.web.async_client import AsyncWebClient

WAIT_S = 2.0
KEEP_S = 3_600.0
KEEP_FAILURE_S = 60.0
PEOPLE = 10_000


class Zones:
    """Asks users.info, at most once an hour for each person."""

    def __init__(self, client: AsyncWebClient, *, wait_s: float = WAIT_S) -> None:
        self._client = client
        self._wait_s = wait_s
        self._known: OrderedDict[str, tuple[float, str | None]] = OrderedDict()

    async def of(self, user: str) -> str | None:
        """Return the IANA name of a person's zone, or None where it cannot be had in time."""
        now = asyncio.get_running_loop().time()
        until, zone = self._known.get(user, (0.0, None))
        if now < until:
            return zone
        zone = await self._ask(user)
        self._known[user] = (now + (KEEP_S if zone else KEEP_FAILURE_S), zone)
        self._known.move_to_end(user)
        if len(self._known) > PEOPLE:
            self._known.popitem(last=False)
        return zone

    async def _ask(self, user: str) -> str | None:
        try:
            async with asyncio.timeout(self._wait_s):
                answer = await self._client.users_info(user=user)
            zone = answer["user"]["tz"]
        except Exception:  # noqa: BLE001 - whatever keeps us from it, the answer goes on without
            return None
        return zone if isinstance(zone, str) and zone else None
