import asyncio
import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from crawler.sdk import Pulse, PulseHandler
from pulsebot.event import AppMessage, Crash, Status, Trigger
from pulsebot.stream.config import LocalStream
from tests.patience import PATIENCE_S


@pytest.fixture
def pulse(stream: Any, tmp_path: Path) -> Iterator[Pulse]:
    """Return a Pulse whose stream is a list."""
    made = Pulse("svc-a", instance="i-1", spool=tmp_path / "spool", open_writer=lambda _: stream)
    yield made
    made.close()


def test_all_four_kinds_arrive(pulse: Pulse, stream: Any) -> None:
    """Each call becomes an event of its kind, numbered, from this service and instance."""
    pulse.trigger("order", 3, env="prod")
    pulse.message("deployed", level="warning", title="v2", link="https://x.test/")
    pulse.status("degraded", reason="slow disk")
    try:
        raise ValueError("bad order")  # noqa: TRY301 - the error is the example
    except ValueError as error:
        pulse.crash(error)
    pulse.close(60)
    events = {type(event): event for event in stream.events()}
    assert {(e.service, e.instance) for e in events.values()} == {("svc-a", "i-1")}
    assert sorted(e.sequence for e in events.values()) == [1, 2, 3, 4]
    assert (events[Trigger].data.count, events[Trigger].data.tags) == (3, {"env": "prod"})
    assert (events[AppMessage].data.level, events[AppMessage].data.title) == ("warning", "v2")
    assert events[Status].data.reason == "slow disk"
    crash = events[Crash].data
    assert (crash.error, crash.message) == ("ValueError", "bad order")
    assert 'raise ValueError("bad order")' in crash.stack


def test_many_triggers_cost_few_events_and_no_count(pulse: Pulse, stream: Any) -> None:
    """Ten thousand calls become a handful of events that add up to ten thousand."""
    for _ in range(10_000):
        pulse.trigger("order")
    pulse.close(60)
    counts = [event.data.count for event in stream.events()]
    assert sum(counts) == 10_000
    assert len(counts) < 60


def test_a_timed_block_or_function_counts_with_its_duration(pulse: Pulse, stream: Any) -> None:
    """The duration is measured, also where the block raises."""

    @pulse.timed("f")
    def function() -> None:
        time.sleep(0.02)

    function()
    with pytest.raises(KeyError), pulse.timed("g"):
        raise KeyError
    pulse.close(60)
    events = {e.data.name: e.data for e in stream.events()}
    assert events["f"].duration_ms >= 20
    assert events["g"].count == 1


def test_nothing_an_app_passes_raises_into_it(pulse: Pulse, stream: Any) -> None:
    """Unusable arguments cost at most that event, never the app or the other events."""

    class Bad:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    pulse.trigger(Bad())
    pulse.trigger("n", count="many")
    pulse.trigger("n", count=-5)
    pulse.trigger("n", count=0)
    pulse.trigger("n", duration_ms=float("nan"))
    pulse.message(Bad())
    pulse.message("x" * 100_000, level="warn", **{"t" * 300: "v" * 3000})
    pulse.message("half a pair \udc80")
    pulse.status("confused")
    pulse.crash()
    pulse.message("last")
    pulse.close(60)
    texts = [e.data.text for e in stream.events() if isinstance(e, AppMessage)]
    assert len(texts[0]) == 8000
    assert texts[1:] == ["half a pair ?", "last"]
    (count,) = [e.data.count for e in stream.events() if isinstance(e, Trigger)]
    assert count == 1


def test_an_empty_service_is_a_programming_error() -> None:
    """The one thing that raises is a constructor call that can never work."""
    with pytest.raises(ValueError, match="name of its service"):
        Pulse("")


def test_what_comes_after_the_end_is_told_once(
    pulse: Pulse, stream: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A closed pulse takes no more, and does not keep that to itself."""
    pulse.message("in time")
    pulse.close(60)
    pulse.message("late")
    pulse.trigger("later")
    assert [event.data.text for event in stream.events()] == ["in time"]
    assert caplog.text.count("a message of svc-a came after pulse was closed, and is lost") == 1
    assert "trigger" not in caplog.text


def test_a_broken_settings_file_is_logged_and_does_not_raise(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, until: Callable[..., None]
) -> None:
    """With settings that cannot be used the app runs on without us, and is told why."""
    config = tmp_path / "crawler.yaml"
    config.write_text("streem: {}\n")
    pulse = Pulse("svc-a", config=config)
    pulse.trigger()
    until(lambda: "crawler.yaml:1: `streem` is not a known key" in caplog.text)
    assert pulse.crash(ValueError("x"), wait_s=5) is False
    pulse.close(60)


def test_events_wait_on_disk_while_the_stream_is_down(
    stream: Any, tmp_path: Path, until: Callable[..., None]
) -> None:
    """What one process could not send, the next one sends under the same producer."""
    stream.down = True
    first = Pulse("svc-a", spool=tmp_path / "s", open_writer=lambda _: stream)
    first.message("from the first")
    first.close(within_s=0.3)
    assert stream.records == []
    stream.down = False
    with Pulse("svc-a", spool=tmp_path / "s", open_writer=lambda _: stream) as second:
        second.message("from the second")
        until(lambda: len(stream.records) == 2)
    one, two = stream.events()
    assert (one.data.text, one.sequence, two.sequence) == ("from the first", 1, 2)
    assert one.producer == two.producer


def test_a_folder_that_cannot_be_used_is_told_and_events_still_flow(
    stream: Any, tmp_path: Path
) -> None:
    """Without a disk, events are kept in memory and people are warned once."""
    (tmp_path / "file").write_text("in the way")
    with Pulse("svc-a", spool=tmp_path / "file", open_writer=lambda _: stream) as pulse:
        pulse.message("hello")
    texts = [e.data.text for e in stream.events()]
    assert "kept in memory only" in texts[0]
    assert texts[1:] == ["hello"]


def test_errors_of_threads_and_tasks_are_crashes(pulse: Pulse, stream: Any) -> None:
    """An error that nobody caught in a thread or a task is reported, and shown as before."""
    seen: list[object] = []
    main, threads = sys.excepthook, threading.excepthook
    threading.excepthook = seen.append

    async def body() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: seen.append(context))
        pulse.install_excepthook(loop)
        task = asyncio.ensure_future(_fail(KeyError("task")))
        await asyncio.wait([task])
        del task

    try:
        asyncio.run(body())
        thread = threading.Thread(target=lambda: 1 / 0, name="worker-7")
        thread.start()
        thread.join()
    finally:
        sys.excepthook, threading.excepthook = main, threads
    pulse.close(60)
    crashes = [event.data for event in stream.events()]
    assert [crash.error for crash in crashes] == ["KeyError", "ZeroDivisionError"]
    assert crashes[1].tags == {"thread": "worker-7"}
    assert len(seen) == 2


async def _fail(error: Exception) -> None:
    raise error


def test_log_records_become_messages(pulse: Pulse, stream: Any) -> None:
    """Records from the handler's level on are messages; a caught exception's line is kept."""
    logger = logging.getLogger("shop.orders")
    handler = PulseHandler(pulse)
    logger.addHandler(handler)
    try:
        logger.warning("not this")
        logger.error("order %d failed", 7)
        try:
            raise KeyError("k")  # noqa: TRY301 - the error is the example
        except KeyError:
            logger.critical("gave up", exc_info=True)
    finally:
        logger.removeHandler(handler)
    pulse.close(60)
    first, second = (event.data for event in stream.events())
    assert (first.text, first.level) == ("order 7 failed", "error")
    assert first.tags == {"logger": "shop.orders"}
    assert (second.text, second.level) == ("gave up\nKeyError: 'k'", "critical")


def test_what_overflows_is_reported(pulse: Pulse, stream: Any) -> None:
    """Calls beyond the queue's bound are counted, and the loss is told as a message."""
    pulse._inbox._limit = 100
    pulse._starting.acquire()  # as if the thread could not be started yet
    for _ in range(150):
        pulse.message("m")
    pulse._starting.release()
    pulse._inbox._limit = 1000
    pulse.message("last")
    pulse.close(60)
    texts = [event.data.text for event in stream.events()]
    assert texts[:101] == ["m"] * 100 + ["last"]
    assert "50 message event(s) of svc-a were lost" in texts[101]


def test_importing_the_sdk_is_cheap() -> None:
    """No client library and no pydantic is loaded by the import alone."""
    code = (
        "import sys, crawler.sdk; "
        "heavy = {'aiokafka', 'pydantic', 'msgspec', 'asyncio', 'sqlite3'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_signal_handler_may_call_it(pulse: Pulse, stream: Any) -> None:
    """A call from a handler that interrupts other calls loses nothing and does not hang."""
    hits = 0

    def handler(*_: object) -> None:
        nonlocal hits
        hits += 1
        pulse.trigger("signal")

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        calls = 0
        while hits < 50:
            pulse.trigger("call")
            calls += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    pulse.close(60)
    sums: dict[str, int] = {}
    for event in stream.events():
        if isinstance(event, Trigger):
            sums[event.data.name] = sums.get(event.data.name, 0) + event.data.count
    assert sums["signal"] == hits
    assert sums["call"] <= calls


def test_a_forked_child_sends_its_own_and_only_its_own(
    tmp_path: Path, app_env: dict[str, str], read_log: Callable[[Path], list[Any]]
) -> None:
    """Parent and child of a fork have different producers, and no event is sent by both."""
    child = Path(__file__).with_name("forking_app.py")
    subprocess.run(
        [sys.executable, child], cwd=tmp_path, check=True, timeout=PATIENCE_S, env=app_env
    )
    events = read_log(tmp_path / "pulsebot-log.db")
    by_text = {event.data.text: event for event in events}
    assert sorted(by_text) == ["after, in child", "after, in parent", "before"]
    assert len(events) == 3
    assert by_text["before"].producer == by_text["after, in parent"].producer
    assert by_text["after, in child"].producer != by_text["before"].producer


def test_standard_output_is_the_apps_alone(tmp_path: Path, app_env: dict[str, str]) -> None:
    """A broker that is away is told on standard error, where logs go."""
    code = (
        "import sys\nfrom crawler.sdk import Pulse\n"
        "from pulsebot.stream.config import KafkaStream\n"
        "pulse = Pulse('svc-a', stream=KafkaStream(type='kafka', bootstrap=['127.0.0.1:9']))\n"
        "pulse.message('hello')\npulse.close()\nprint('mine')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path, check=True, timeout=PATIENCE_S, env=app_env, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout == "mine\n"
    assert "Kafka cannot be reached" in done.stderr


def test_libraries_load_beside_the_app_and_no_fork_cuts_that_in_two(
    tmp_path: Path, app_env: dict[str, str], read_log: Callable[[Path], list[Any]]
) -> None:
    """The app's first call loads nothing in its thread; a child of the loading time can send."""
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("loading_app.py")],
        cwd=tmp_path, check=True, timeout=PATIENCE_S, env=app_env, capture_output=True, text=True,
    )  # fmt: skip
    assert {line.split()[1] for line in done.stdout.splitlines()} == {"pulse-courier"}
    texts = [event.data.text for event in read_log(tmp_path / "pulsebot-log.db")]
    assert sorted(texts) == ["child", "parent", "parent again"]


def test_an_uncaught_error_is_sent_before_the_process_dies(
    tmp_path: Path, app_env: dict[str, str], read_log: Callable[[Path], list[Any]]
) -> None:
    """The crash arrives, the traceback is printed as ever, the exit code stays 1."""
    code = (
        "from crawler.sdk import Pulse\np = Pulse('svc-a')\np.install_excepthook()\n"
        "def boom():\n    raise RuntimeError('boom')\nboom()\n"
    )
    app = tmp_path / "app.py"
    app.write_text(code)
    done = subprocess.run(
        [sys.executable, app], cwd=tmp_path, check=False, timeout=PATIENCE_S, env=app_env,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert "RuntimeError: boom" in done.stderr
    (crash,) = read_log(tmp_path / "pulsebot-log.db")
    assert (crash.data.error, crash.data.message) == ("RuntimeError", "boom")
    assert "in boom" in crash.data.stack


def test_kill_9_loses_nothing_that_was_on_disk(
    tmp_path: Path, app_env: dict[str, str], read_log: Callable[[Path], list[Any]]
) -> None:
    """After kill -9 in mid-stream, each spooled event arrives once by (producer, sequence)."""
    app = Path(__file__).with_name("killed_app.py")
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, app], cwd=tmp_path, env=app_env, stdout=subprocess.PIPE
        ) as running:
            for _ in range(40):
                running.stdout.readline()
            running.kill()
    # What the apps saw confirmed as being on disk: producer-independent texts.
    confirmed = set((tmp_path / "confirmed.txt").read_text().split())
    with Pulse(
        "svc-a",
        spool=tmp_path / "crawler-spool",
        stream=LocalStream(path=tmp_path / "pulsebot-log.db"),
    ) as last:
        last.message("end")
    events = read_log(tmp_path / "pulsebot-log.db")
    once = {(e.producer, e.sequence): e for e in events}
    messages = [e.data.message for e in once.values() if isinstance(e, Crash)]
    assert confirmed <= set(messages)
    assert len(messages) == len(set(messages)), "one event under two identities"
    for producer in {key[0] for key in once}:
        numbers = sorted(n for p, n in once if p == producer)
        assert numbers == list(range(1, len(numbers) + 1))
