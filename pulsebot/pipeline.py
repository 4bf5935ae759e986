"""The pipeline: reads batches, has each taken in within one transaction, and carries the tick.

It assigns itself every partition and starts at the offsets that the database holds, so the
database alone says what was consumed. It must not know what events mean (`intake` does), nor
who is told (`decide` and `delivery` do).
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog

from pulsebot.errors import StreamError
from pulsebot.intake import Intake
from pulsebot.store.database import Connection, Database
from pulsebot.stream.base import Gap, Partition, Reader, Record

log = structlog.get_logger(__name__)

BATCH = 4_000
"""Records in one transaction at the most; more would delay alerts, fewer cost rate."""

BATCH_BEHIND = 8_000
"""The same while there is much to do: alerts are late anyhow, and rows are written once."""

MANY = 500
"""Records in a batch that show that there is much to do: more than come while one is committed."""

POLL_S = 0.25
TICK_MS = 1000
STALL_TICKS = 30
"""A lag that this many ticks saw and no read has lessened is of records that nobody can read.

Transaction markers and compacted records leave such holes at the end of a Kafka partition;
without this, time would stand still for them. Only ticks that the stream answered count, so
that neither an outage nor a leap of the clock is taken for a hole.
"""

RETRY_S = 2.0
"""Pause after a transaction that failed (disk full, file locked) before it is tried again."""


class Pipeline:
    """Consumes a stream into a database.

    `now_ms` is the wall clock; `committed` is called after every transaction that may have
    left something in the outbox.
    """

    def __init__(
        self,
        database: Database,
        reader: Reader,
        intake: Intake,
        *,
        now_ms: Callable[[], int],
        committed: Callable[[], None],
    ) -> None:
        self.intake = intake
        self.ends: Mapping[Partition, int] = {}
        self.answered = False
        """Whether the stream has told its ends once; an empty one has none."""
        self.failure: str | None = None
        self.read_until_ms = 0
        """Every record that was in the stream at this time is taken in; 0: not known yet."""
        self._database = database
        self._reader = reader
        self._now_ms = now_ms
        self._committed = committed
        self._ticked_ms = 0
        self._fruitless = 0
        self._ahead: asyncio.Task[Sequence[Record]] | None = None
        self._asking: asyncio.Task[Mapping[Partition, int]] | None = None

    @property
    def positions(self) -> Mapping[Partition, int]:
        """The next offset to take in, by partition."""
        return self.intake.positions

    async def start(self) -> None:
        """Take over the stored state and go to the stored offsets."""
        await self._reload()
        await self._reader.seek(self.positions)

    async def run(self) -> None:
        """Consume until cancelled. A batch that is being committed is finished first."""
        try:
            while True:
                await self.step()
        finally:
            await self._let_go()

    async def run_to_end(self) -> None:
        """Consume what the stream holds now, then tick once."""
        asked_ms, goal = self._now_ms(), await self._reader.ends()
        try:
            while not self._stalled() and any(
                self.positions.get(partition, 0) < end for partition, end in goal.items()
            ):
                await self.step()
        finally:
            await self._let_go()
        self.read_until_ms = asked_ms
        self._ticked_ms = self._now_ms()
        await self._tick(self._reader.ends())

    async def step(self) -> None:
        """Read and commit one batch, and tick when a second has passed."""
        records = await self._read()
        gaps = self._reader.gaps()
        if records or gaps:
            await self._commit(records, gaps)
        if records:
            self._fruitless = 0
        await self._pass_time(is_behind=self._ahead is not None)

    async def _read(self) -> Sequence[Record]:
        """Return the next batch; while there is much to do, the one after it is read beside."""
        reading, self._ahead = self._ahead, None
        records = await (reading or self._poll(BATCH))
        if len(records) >= MANY:
            self._ahead = asyncio.create_task(self._poll(BATCH_BEHIND), name="read-ahead")
        return records

    async def _poll(self, max_records: int) -> Sequence[Record]:
        return await self._reader.read(max_records=max_records, timeout_s=POLL_S)

    async def _let_go(self) -> None:
        """End what runs beside: what a read found was not taken in, so it is read again."""
        beside = [task for task in (self._ahead, self._asking) if task is not None]
        self._ahead = self._asking = None
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)

    def lag(self) -> int:
        """Return how many records are not consumed yet, as of the last tick."""
        return sum(max(0, end - self.positions.get(p, 0)) for p, end in self.ends.items())

    async def _commit(self, records: Sequence[Record], gaps: Sequence[Gap]) -> None:
        if gaps:
            log.error("records were removed by retention before they were read", gaps=gaps)
        try:
            await self._until_written(lambda c: self.intake.apply(c, records, self._now_ms(), gaps))
        except Exception:
            log.exception("a batch could not be taken in; taking its records one by one")
            await self._one_by_one(records, gaps)
        self._committed()

    async def _one_by_one(self, records: Sequence[Record], gaps: Sequence[Gap]) -> None:
        """Find the record that no code of ours can take in, and dead-letter it alone."""
        await self._reload()
        await self._until_written(lambda c: self.intake.apply(c, [], self._now_ms(), gaps))
        for record in records:
            await self._reload()
            try:
                await self._until_written(
                    lambda c, r=record: self.intake.apply(c, [r], self._now_ms())  # type: ignore[misc]
                )
            except Exception as error:
                log.exception("a record could not be taken in", topic=record.topic)
                reason = f"pulsebot failed on it ({type(error).__name__}); retry after an upgrade"
                await self._reload()
                await self._until_written(
                    lambda c, r=record, why=reason: self.intake.refuse(c, r, why, self._now_ms())  # type: ignore[misc]
                )

    async def _until_written(self, work: Callable[[Connection], None]) -> None:
        """Run one transaction, again and again while the fault lies outside the program.

        Nothing else is done meanwhile: no later record is read, and no time passes.
        """
        while not await self._attempt(work):
            await self._reload()
        self.failure = None

    async def _reload(self) -> None:
        """Take over the stored state, as soon as the database can be used."""
        while not await self._attempt(self.intake.load):
            continue

    async def _pass_time(self, *, is_behind: bool) -> None:
        """Tick when it is time; while behind, the ends are asked for beside."""
        if self._asking is None and self._now_ms() - self._ticked_ms >= TICK_MS:
            self._ticked_ms = self._now_ms()
            self._asking = asyncio.create_task(self._reader.ends(), name="ask-ends")
        if self._asking is not None and (self._asking.done() or not is_behind):
            asking, self._asking = self._asking, None
            await self._tick(asking)

    async def _tick(self, asking: Awaitable[Mapping[Partition, int]]) -> None:
        """Let time pass up to when it was asked for the ends, if all before them was read."""
        try:
            self.ends = await asking
        except StreamError as error:
            self._say(str(error))
            return
        self.answered = True
        watermark_ms = self._watermark_ms()
        if watermark_ms is None:
            return
        await self._until_written(lambda c: self.intake.advance(c, watermark_ms))
        self.read_until_ms = max(self.read_until_ms, watermark_ms)
        self._committed()

    def _watermark_ms(self) -> int | None:
        """Return the time up to which everything was read: now, unless a partition lags."""
        lagging = [p for p, end in self.ends.items() if self.positions.get(p, 0) < end]
        self._fruitless = self._fruitless + 1 if lagging else 0
        if not lagging or self._stalled():
            return self._ticked_ms
        reached = [self.intake.last_log_ms.get(partition) for partition in lagging]
        known = [ms for ms in reached if ms is not None]
        return min(known) if len(known) == len(reached) else None

    def _stalled(self) -> bool:
        return self._fruitless > STALL_TICKS

    def _say(self, failure: str) -> None:
        """Keep a fault of the stream for the probes and log it once; time waits meanwhile."""
        if failure != self.failure:
            log.error("the stream does not answer", error=failure)
        self.failure = failure

    async def _attempt(self, work: Callable[[Connection], None]) -> bool:
        """Run one transaction; False after a pause if the fault lies outside the program."""
        writing = asyncio.ensure_future(self._database.write(work))
        try:
            await asyncio.shield(writing)
        except sqlite3.OperationalError as error:
            self.failure = f"the database cannot be written: {error}"
            log.error("transaction failed, trying again", error=str(error), pause_s=RETRY_S)  # noqa: TRY400 - the cause is outside the program
            await asyncio.sleep(RETRY_S)
            return False
        except asyncio.CancelledError:
            await asyncio.wait([writing])
            raise
        return True
