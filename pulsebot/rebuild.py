"""Rebuilding: the views of a span of event time, made again from the log.

The old file is copied, its views are cleared from a moment on, and the log is read again up to
the offsets that were consumed before; then the copy takes the old file's place in one step. An
event counts here if its effective time is at or after that moment, so nothing is counted
twice and nothing before it is touched. Rules are not evaluated: nobody is told again.
"""

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pulsebot.errors import StreamError
from pulsebot.intake import write_views
from pulsebot.materialize.live import by_service, group
from pulsebot.settings import Settings
from pulsebot.sift import Sifter
from pulsebot.store import counts, positions, views
from pulsebot.store.database import Connection, connect, lock, migrate, transaction
from pulsebot.stream.base import Partition, Reader, Record
from pulsebot.stream.open import open_reader
from pulsebot.window import QUARTER_MS

BATCH = 10_000
POLL_S = 1.0
PATIENCE = 30
"""Empty reads in a row after which the log is taken to have lost what was consumed before."""

Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Rebuild:
    """What was done: from when on, whether that had to be later than asked, and how much."""

    start_ms: int
    moved: bool = False
    records: int = 0
    events: int = 0


async def rebuild(settings: Settings, start_ms: int, now_ms: int, progress: Progress) -> Rebuild:
    """Rebuild the views from `start_ms` on; the bot must be stopped.

    Raises StoreError where it is not. A failure half-way leaves the old file as it was.
    """
    with lock(settings.database), _copy(settings.database) as copy:
        async with open_reader(settings.stream) as reader:
            done = await _covered(reader, Rebuild(_aligned(start_ms)), settings)
            consumed = positions.load(copy)
            await _apply(copy, reader, done, consumed, _Told(settings, now_ms, progress))
    return done


@dataclass(frozen=True, slots=True)
class _Told:
    settings: Settings
    now_ms: int
    progress: Progress


@contextlib.contextmanager
def _copy(path: Path) -> Iterator[Connection]:
    """Give a copy of the file to work on; it takes the file's place when all went well."""
    fresh = path.with_name(f"{path.name}.rebuild")
    fresh.unlink(missing_ok=True)
    with contextlib.closing(connect(path)) as old:
        migrate(old, path)
        with contextlib.closing(sqlite3.connect(fresh)) as target:
            old.backup(target)
        old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    try:
        with contextlib.closing(connect(fresh)) as copy:
            yield copy
            copy.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        fresh.replace(path)
    finally:
        for left in (fresh, Path(f"{fresh}-wal"), Path(f"{fresh}-shm")):
            left.unlink(missing_ok=True)


async def _covered(reader: Reader, done: Rebuild, settings: Settings) -> Rebuild:
    """Move the start to where the log begins, if it does not go back far enough.

    An event may be dated ahead of its log time by `clock.future`, so the log must have been
    kept from that much before the start.
    """
    ahead_ms = settings.clock.future // timedelta(milliseconds=1)
    first = await reader.offsets_at(0)
    ends = await reader.ends()
    await reader.seek(first)
    wanted = {p for p, offset in first.items() if 0 < offset < ends.get(p, 0)}
    async for records in _batches(reader, {p: first[p] + 1 for p in wanted}):
        for record in records:
            begins_ms = _aligned(record.timestamp + ahead_ms + QUARTER_MS - 1)
            if begins_ms > done.start_ms:
                done.start_ms, done.moved = begins_ms, True
    return done


async def _apply(
    copy: Connection,
    reader: Reader,
    done: Rebuild,
    goal: Mapping[Partition, int],
    told: _Told,
) -> None:
    ahead_ms = told.settings.clock.future // timedelta(milliseconds=1)
    starts = await reader.offsets_at(done.start_ms - ahead_ms)
    await reader.seek(starts)
    total = sum(max(0, end - starts.get(p, end)) for p, end in goal.items())
    left = {p: end for p, end in goal.items() if starts.get(p, end) < end}
    sifter = Sifter(told.settings.clock)
    with contextlib.closing(sqlite3.connect("", isolation_level=None)) as scratch:
        migrate(scratch, Path("scratch"))
        with transaction(copy), transaction(scratch):
            views.clear(copy, done.start_ms)
            async for records in _batches(reader, left):
                batch = sifter.sift(scratch, records, told.now_ms)
                sifter.save(scratch, told.now_ms)
                batch.leave_out_before(done.start_ms)
                triggers = group(batch, by_service)
                counts.add(copy, write_views(copy, batch.alone.values(), triggers).counts)
                done.records += len(records)
                done.events += batch.events
                told.progress(done.records, total)


async def _batches(
    reader: Reader, left: Mapping[Partition, int]
) -> AsyncIterator[Sequence[Record]]:
    """Yield batches of the records below the given offsets, until all are read."""
    reached: dict[Partition, int] = {}
    empty = 0
    while any(reached.get(p, 0) < end for p, end in left.items()):
        records = await reader.read(max_records=BATCH, timeout_s=POLL_S)
        empty = 0 if records else empty + 1
        if empty > PATIENCE:
            raise StreamError("the log no longer has all that was consumed; nothing was changed")
        for record in records:
            reached[Partition(record.topic, record.partition)] = record.offset + 1
        wanted = [r for r in records if r.offset < left.get(Partition(r.topic, r.partition), 0)]
        if wanted:
            yield wanted


def _aligned(ms: int) -> int:
    return ms - ms % QUARTER_MS
