"""What a reader in a process of its own does when processes die, hang and hinder each other."""

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import psutil
import pytest
from structlog.testing import capture_logs

from pulsebot.errors import StreamError
from pulsebot.stream.apart.reader import ReaderApart
from pulsebot.stream.apart.serving import MANY
from pulsebot.stream.base import Partition, Prepared, Reader
from pulsebot.stream.config import KafkaStream, LocalStream, Topics
from pulsebot.stream.local import LocalReader, LocalWriter
from pulsebot.stream.open import open_reader_apart
from tests.patience import PATIENCE_S
from tests.stream.preparing import Counter, impossible
from tests.stream.texts import collect, outgoing

LANE = Partition("t", 0)


async def until(condition: Callable[[], bool]) -> None:
    """Return when a condition holds; fail when it does not come to that."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - of another process's making
            await asyncio.sleep(0.01)


@asynccontextmanager
async def apart(make: Callable[[], Reader]) -> AsyncIterator[tuple[ReaderApart, psutil.Process]]:
    """Give a reader and its process, which must be gone afterwards."""
    before = set(psutil.Process().children())
    async with ReaderApart(make, Counter) as reader:
        [process] = set(psutil.Process().children()) - before
        yield reader, process
    assert not process.is_running()


async def test_whoever_waits_for_records_prepares_them(settings: LocalStream) -> None:
    """They come at once then; headers and tombstones among them."""
    async with (
        LocalWriter(settings) as writer,
        apart(partial(LocalReader, settings)) as (reader, _),
    ):
        await writer.append(outgoing("a", "b", "c"))
        records: Sequence[object] = ()
        while not records:
            records = await reader.read(max_records=10, timeout_s=1)
    assert isinstance(records, Prepared)
    assert len(records) == 3
    assert records.preparation == b"0"


async def test_what_was_read_ahead_comes_prepared(settings: LocalStream) -> None:
    """While whoever reads is busy, as long as that takes, the next records are made ready."""
    many = 2 * MANY
    async with (
        LocalWriter(settings) as writer,
        apart(partial(LocalReader, settings)) as (reader, _),
    ):
        await writer.append(outgoing(*map(str, range(many))))
        prepared, busy_s = b"", 0.01
        async with asyncio.timeout(PATIENCE_S):
            while prepared != str(MANY).encode():
                await reader.seek({})
                while len(await reader.read(max_records=MANY, timeout_s=1)) < MANY:
                    await reader.seek({})
                await asyncio.sleep(busy_s)
                busy_s *= 2
                records = await reader.read(max_records=MANY, timeout_s=1)
                assert isinstance(records, Prepared)
                prepared = records.preparation


async def test_what_was_asked_for_before_a_cancellation_is_cut_to_what_is_asked_for_now(
    settings: LocalStream,
) -> None:
    """A call that was cancelled had asked for more at a time: the rest comes with the next."""
    async with (
        LocalWriter(settings) as writer,
        apart(partial(LocalReader, settings)) as (reader, _),
    ):
        asking = asyncio.create_task(reader.read(max_records=10, timeout_s=PATIENCE_S))
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([asking])
        await writer.append(outgoing("a", "b", "c"))
        assert await collect(reader, 1) == ["a"]
        assert await collect(reader, 2) == ["b", "c"]


@pytest.mark.parametrize("order", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_process_that_dies_or_hangs_is_replaced_and_nothing_lost(
    settings: LocalStream, order: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next process goes on behind the last record that was given out."""
    monkeypatch.setattr("pulsebot.stream.apart.reader.PAUSE_S", 0.01)
    monkeypatch.setattr("pulsebot.stream.apart.reader.LATE_S", 1.0)
    async with LocalWriter(settings) as writer:
        await writer.append(outgoing(*map(str, range(3000))))
        async with apart(partial(LocalReader, settings)) as (reader, process):
            await reader.seek({LANE: 10})
            texts = await collect(reader, 1000)
            before = set(psutil.Process().children())
            process.send_signal(order)
            texts += await collect(reader, 1000)
            [successor] = set(psutil.Process().children()) - before
            successor.send_signal(order)
            texts += await collect(reader, 990)
    assert texts == [str(n) for n in range(10, 3000)]


async def test_a_question_to_a_process_that_died_is_answered_by_the_next(
    settings: LocalStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails at most as one to a broken stream does; then there are answers again."""
    monkeypatch.setattr("pulsebot.stream.apart.reader.PAUSE_S", 0.01)
    async with LocalWriter(settings) as writer:
        await writer.append(outgoing("a", "b"))
        async with apart(partial(LocalReader, settings)) as (reader, process):
            process.kill()
            process.wait()
            with pytest.raises(StreamError, match="the process that reads the stream has ended"):
                await reader.ends()
            assert await collect(reader, 2) == ["a", "b"]
            assert await reader.ends() == {LANE: 2}


async def test_the_process_leaves_signals_to_the_bot(settings: LocalStream) -> None:
    """What stops the bot in order does not stop it before the bot lets go of it."""
    async with (
        LocalWriter(settings) as writer,
        apart(partial(LocalReader, settings)) as (
            reader,
            process,
        ),
    ):
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        await writer.append(outgoing("a"))
        assert await collect(reader, 1) == ["a"]
        assert set(psutil.Process().children()) >= {process}


async def test_a_process_ends_although_nobody_waits_for_that(settings: LocalStream) -> None:
    """Whoever leaves is cancelled at once, and every thread of the loop's pool is busy."""
    held = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        asyncio.get_running_loop().set_default_executor(pool)
        async with LocalWriter(settings):
            pass
        before = set(psutil.Process().children())
        reader = ReaderApart(partial(LocalReader, settings), Counter)
        await reader.__aenter__()
        pool.submit(held.wait)
        leaving = asyncio.create_task(reader.__aexit__())
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.wait([leaving])
        held.set()
        await until(lambda: set(psutil.Process().children()) <= before)
    assert leaving.cancelled()


_PARENT = """
import asyncio, sys
from functools import partial
from pathlib import Path
from pulsebot.stream.apart.reader import ReaderApart
from pulsebot.stream.apart.serving import MANY
from pulsebot.stream.config import LocalStream, Topics
from pulsebot.stream.local import LocalReader
from tests.stream.preparing import Counter

async def main():
    settings = LocalStream(path=Path(sys.argv[1]), topics=Topics(read=["t"]))
    async with ReaderApart(partial(LocalReader, settings), Counter):
        print("reading", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_the_process_ends_with_the_bot_however_that_ends(settings: LocalStream) -> None:
    """After kill -9 of the bot nothing of it is left."""
    async with LocalWriter(settings):
        pass
    bot = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PARENT, str(settings.path), stdout=subprocess.PIPE
    )
    assert bot.stdout
    assert await asyncio.wait_for(bot.stdout.readline(), PATIENCE_S) == b"reading\n"
    [process] = psutil.Process(bot.pid).children()
    bot.kill()
    await bot.wait()
    await asyncio.to_thread(process.wait, PATIENCE_S)


async def test_a_broker_that_is_away_is_told_by_the_bots_own_log() -> None:
    """Opening waits for it and can be cancelled; its process is gone then."""
    stream = KafkaStream(type="kafka", bootstrap=["127.0.0.1:9"], topics=Topics())
    reader = open_reader_apart(stream, Counter)
    before = set(psutil.Process().children())
    with capture_logs() as logs:
        opening = asyncio.create_task(reader.__aenter__())
        await until(lambda: len(logs) > 1)
    of_the_client, ours, *_ = logs
    assert of_the_client["event"].startswith('Unable connect to "127.0.0.1:9"')
    assert ours["event"].startswith("Kafka cannot be reached, again in ")
    assert ours["log_level"] == "warning"
    opening.cancel()
    await asyncio.wait([opening])
    assert opening.cancelled()
    await until(lambda: set(psutil.Process().children()) <= before)


async def test_what_is_wrong_over_there_is_told_here(tmp_path: Path) -> None:
    """A stream that cannot be opened is the caller's to know, as without another process."""
    path = tmp_path / "log.db"
    path.write_text("these are my notes\n" * 1000)
    with pytest.raises(StreamError, match=r"log\.db: file is not a database"):
        async with ReaderApart(partial(LocalReader, LocalStream(path=path)), Counter):
            pass


async def test_a_process_that_cannot_live_is_tried_again_until_the_caller_gives_up(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its traceback is on standard error, each attempt in the log, and none is left over."""
    monkeypatch.setattr("pulsebot.stream.apart.reader.PAUSE_S", 0.01)
    before = set(psutil.Process().children())
    with capture_logs() as logs:
        opening = asyncio.create_task(ReaderApart(impossible, Counter).__aenter__())
        await until(lambda: len(logs) > 1)
    assert {line["event"] for line in logs} == {"the process that reads the stream cannot live"}
    opening.cancel()
    await asyncio.wait([opening])
    assert "ZeroDivisionError: nobody foresaw this" in capfd.readouterr().err
    await until(lambda: set(psutil.Process().children()) <= before)
