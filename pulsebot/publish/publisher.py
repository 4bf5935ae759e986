"""The publisher: keeps views in PostgreSQL for as long as the bot runs.

PostgreSQL may be slow, away or set back at any time: nothing waits for it, and nothing is queued
for it. What changed meanwhile is read from our own database once it is back.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Mapping

import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo

from pulsebot.publish import progress
from pulsebot.publish.base import Source, Standing
from pulsebot.publish.session import Session, Tally

log = structlog.get_logger(__name__)

PAUSE_S = 0.5
"""Time between two looks at least; a row that changed twice meanwhile is written once."""

LOOK_S = 5.0
"""Time between two looks at most: some changes ring no bell, such as a view that was dropped."""

BACKOFF_S = (0.5, 30.0)
"""Pause before PostgreSQL is tried again: the first one, and the longest, as it doubles."""

CONNECT_TIMEOUT_S = 10
_CONNECTION: Mapping[str, str | int] = {
    "application_name": "pulsebot",
    "connect_timeout": CONNECT_TIMEOUT_S,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
_SESSION = "SET lock_timeout = '30s'; SET synchronous_commit = off"
"""Somebody's open transaction must not hold us up for ever; nor need we wait for the disk, since
what a crash over there takes, it takes together with the progress."""

Bell = Callable[[], asyncio.Event]


class Publisher:
    """Keeps the views of a source at an address; `bell` gives what is set at the next change."""

    def __init__(self, source: Source, url: str, bell: Bell) -> None:
        self._source = source
        self._url = url
        self._bell = bell
        self._session: Session | None = None
        self.tally = Tally()
        self.failure: str | None = "not connected yet"
        """Why PostgreSQL is out of reach, if so."""

    def health(self) -> str | dict[str, str]:
        """Return what hinders all of it, else how each view is."""
        return self.failure or dict(self.tally.states)

    async def standing(self) -> dict[str, Standing]:
        """Return how far views are, by our own database; while PostgreSQL is away, as it was."""
        return await self._session.standing() if self._session else {}

    async def run(self) -> None:
        """Publish until cancelled; what hinders it is told in `failure`, and it is tried again."""
        first, longest = BACKOFF_S
        pause = first
        while True:
            try:
                async with self._connected() as session:
                    while True:
                        bell = self._bell()
                        await session.round()
                        pause = first
                        await _rung(bell)
            except (psycopg.Error, OSError) as error:
                self._note(str(error).strip() or type(error).__name__)
            except Exception as error:
                log.exception("publishing failed; trying again")
                self._note(f"an error of pulsebot's own ({type(error).__name__}); its log tells")
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - spreads attempts
            pause = min(2 * pause, longest)

    async def run_to_end(self) -> None:
        """Publish what there is now; where PostgreSQL is away, a later run does."""
        try:
            async with self._connected() as session:
                await session.round()
        except (psycopg.Error, OSError) as error:
            self._note(str(error).strip() or type(error).__name__)

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[Session]:
        address = make_conninfo(self._url, **_CONNECTION)
        connection = await AsyncConnection.connect(address, autocommit=True)
        try:
            encoding = connection.info.parameter_status("server_encoding")
            if encoding != "UTF8":
                raise psycopg.NotSupportedError(
                    f"the database's encoding is {encoding}; publish to one whose encoding is UTF8"
                )
            await connection.execute(_SESSION)
            await progress.prepare(connection)
            log.info("publishing to PostgreSQL", database=connection.info.dbname)
            self.failure = None
            self._session = Session(connection, self._source, self.tally)
            yield self._session
        finally:
            await connection.close()

    def _note(self, reason: str) -> None:
        if self.failure != reason:
            log.warning("PostgreSQL is out of reach; trying again", reason=reason)
        self.failure = reason


async def _rung(bell: asyncio.Event) -> None:
    """Wait for the bell, neither too short nor too long."""
    await asyncio.sleep(PAUSE_S)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LOOK_S):
            await bell.wait()
