import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from crawler.agent import load_agent
from pulsebot.errors import InvalidConfig
from pulsebot.event import AppMessage, Crash, State, Status, Trigger
from tests.patience import PATIENCE_S

ReadLog = Callable[[Path], list[Any]]
Until = Callable[..., None]
Agent = Callable[[], subprocess.Popen[bytes]]

CONFIG = """\
service: svc-a
instance: host-1
tags: {env: prod}
probes:
  - {type: log, path: app.log, check_s: 0.02, patterns: [{kind: trigger, regex: hit}]}
  - {type: process, pid_file: svc.pid, check_s: 0.05}
  - {type: http, url: "http://127.0.0.1:PORT/", service: web, interval_s: 0.2}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a working folder with a crawler.yaml of three probes."""
    monkeypatch.chdir(tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "crawler.yaml").write_text(CONFIG.replace("PORT", str(port)))
    (tmp_path / "app.log").touch()
    return tmp_path


@pytest.fixture
def agent(folder: Path, app_env: dict[str, str]) -> Iterator[Agent]:
    """Return a function that starts `crawler run`; what still runs at the end is killed."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        with (folder / "agent.err").open("ab") as err:
            process = subprocess.Popen(
                [sys.executable, "-m", "crawler", "run"], cwd=folder, env=app_env, stderr=err
            )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def _of(events: list[Any], kind: type, service: str) -> list[Any]:
    return [event for event in events if isinstance(event, kind) and event.service == service]


def test_all_probes_report_and_sigterm_ends_it_cleanly(
    folder: Path, agent: Agent, read_log: ReadLog, until: Until
) -> None:
    """Log, process and page are reported side by side; SIGTERM ends with nothing left behind."""
    log = folder / "pulsebot-log.db"
    running = agent()
    until(log.exists)
    until(lambda: len(_of(read_log(log), Status, "web")) >= 2)
    with (folder / "app.log").open("a") as file:
        file.write("hit\n" * 5)
    until(lambda: _of(read_log(log), Trigger, "svc-a"))
    running.send_signal(signal.SIGTERM)
    assert running.wait(PATIENCE_S) == 0
    events = read_log(log)
    assert sum(e.data.count for e in _of(events, Trigger, "svc-a")) == 5
    assert _of(events, Status, "svc-a")[0].data.state is State.DOWN
    assert _of(events, Status, "web")[0].data.state is State.DOWN
    own = [e.data.state for e in _of(events, Status, "crawler")]
    assert (own[0], own[-1]) == (State.UP, State.STOPPED)
    numbers = sorted(e.sequence for e in events)
    assert numbers == list(range(1, len(numbers) + 1))


def test_sigterm_amid_the_start_is_a_clean_end(folder: Path, agent: Agent, until: Until) -> None:
    """From the moment that there is something to close, a polite kill closes it."""
    running = agent()
    until((folder / "crawler-spool").exists)
    running.send_signal(signal.SIGTERM)
    assert running.wait(PATIENCE_S) == 0
    assert "Traceback" not in (folder / "agent.err").read_text()


def test_kill_9_neither_loses_nor_repeats_a_log_line(
    folder: Path, agent: Agent, read_log: ReadLog, until: Until
) -> None:
    """Killed again and again while the log grows: every line is counted exactly once."""
    log, total = folder / "pulsebot-log.db", 0
    app = (folder / "app.log").open("a", buffering=1)

    def counted() -> int:
        once = {(e.producer, e.sequence): e for e in _of(read_log(log), Trigger, "svc-a")}
        return sum(e.data.count for e in once.values())

    for _ in range(2):
        running = agent()
        before = total
        until(lambda: log.exists() and _of(read_log(log), Status, "crawler"))
        while counted() <= before:
            app.write("hit\n" * 50)
            total += 50
        running.kill()
        running.wait()
        app.write("hit\n" * 7)
        total += 7
    app.close()
    running = agent()
    until(lambda: counted() >= total)
    running.send_signal(signal.SIGINT)
    assert running.wait(PATIENCE_S) == 0
    assert counted() == total


def test_a_second_agent_on_the_same_file_is_refused(
    folder: Path, agent: Agent, until: Until
) -> None:
    """Two agents would report everything twice: the second ends with a word."""
    agent()
    until(lambda: b"watching" in (folder / "agent.err").read_bytes())
    assert agent().wait(PATIENCE_S) == 2
    last = (folder / "agent.err").read_text().splitlines()[-1]
    assert "is in use by another crawler" in last


def test_a_failing_probe_is_reported_and_the_others_go_on(
    folder: Path, agent: Agent, read_log: ReadLog, until: Until
) -> None:
    """A certificate file that is gone breaks one probe, which says so; the log is read."""
    text = (folder / "crawler.yaml").read_text()
    text += '  - {type: http, url: "https://127.0.0.1:1/", ca_file: gone.pem}\n'
    (folder / "crawler.yaml").write_text(text)
    agent()
    log = folder / "pulsebot-log.db"
    until(lambda: log.exists() and _of(read_log(log), AppMessage, "crawler"))
    with (folder / "app.log").open("a") as file:
        file.write("hit\n")
    until(lambda: _of(read_log(log), Trigger, "svc-a"))
    (message,) = _of(read_log(log), AppMessage, "crawler")
    assert message.data.text.startswith("the probe http https://127.0.0.1:1/ failed: ")
    assert message.data.level == "warning"


@pytest.fixture
def service(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Return the process that the settings watch."""
    with subprocess.Popen(["sleep", "600"]) as running:
        (folder / "svc.pid").write_text(str(running.pid))
        yield running
        running.kill()


def _spooled(folder: Path, kind: str) -> int:
    with closing(sqlite3.connect(folder / "crawler-spool" / "agent-crawler.db")) as db:
        (events,) = db.execute("SELECT count(*) FROM event WHERE kind = ?", (kind,)).fetchone()
    return int(events)


def test_a_spool_full_of_log_lines_keeps_no_crash_out(
    folder: Path, agent: Agent, service: subprocess.Popen[bytes], until: Until
) -> None:
    """With the broker away the log waits in its file, and processes are still looked at."""
    text = (folder / "crawler.yaml").read_text().replace("kind: trigger", "kind: message")
    text += "stream: {type: kafka, bootstrap: ['127.0.0.1:9']}\nspool: {max_events: 100}\n"
    (folder / "crawler.yaml").write_text(text.replace("interval_s: 0.2", "interval_s: 600"))
    agent()
    until(lambda: b"watching" in (folder / "agent.err").read_bytes())
    until(lambda: _spooled(folder, "status") >= 3)
    lines = 0
    with (folder / "app.log").open("a", buffering=1) as file:
        while _spooled(folder, "message") < 78:
            file.write("hit\n")
            lines += 1
            until(lambda: _spooled(folder, "message") in {lines, 78})  # noqa: B023 - asked at once
    service.send_signal(signal.SIGSEGV)
    until(lambda: _spooled(folder, "crash"))


def test_a_crash_seen_with_the_disk_full_is_kept_until_there_is_room(
    folder: Path,
    agent: Agent,
    service: subprocess.Popen[bytes],
    read_log: ReadLog,
    until: Until,
) -> None:
    """A service dies of the full disk that keeps its crash from being stored."""
    running, log = agent(), folder / "pulsebot-log.db"
    until(lambda: log.exists() and _of(read_log(log), Status, "svc-a"))
    _, most = psutil.Process(running.pid).rlimit(psutil.RLIMIT_FSIZE)
    # One byte for every file: no write succeeds, not even that of the log, agent.err.
    psutil.Process(running.pid).rlimit(psutil.RLIMIT_FSIZE, (1, most))
    service.send_signal(signal.SIGSEGV)
    time.sleep(2)
    psutil.Process(running.pid).rlimit(psutil.RLIMIT_FSIZE, (most, most))
    until(lambda: _of(read_log(log), Crash, "svc-a"))
    (crash,) = {(e.producer, e.sequence): e for e in _of(read_log(log), Crash, "svc-a")}.values()
    assert crash.data.signal == "SIGSEGV"


@pytest.mark.parametrize(
    ("probe", "problem"),
    [
        ("{type: ftp}", "`probes.0.type`: 'ftp' is not one of http, log, process"),
        ("{type: http, url: nowhere, service: a}", "`probes.0.url`: Input should be a valid URL"),
        ("{type: log, path: x}", "x needs a `service`, its own or one at the top of the file"),
        (
            "{type: log, path: x, service: a, patterns: [{kind: crash, regex: '(a'}]}",
            "`probes.0.patterns.0.regex`: not a regular expression that RE2 takes",
        ),
        ("{type: log, path: x, service: a}\n  - {type: log, path: x, service: a}", "listed twice"),
    ],
)
def test_bad_probes_are_told_with_their_line(folder: Path, probe: str, problem: str) -> None:
    """Each fault of a probe names file, line and key."""
    (folder / "crawler.yaml").write_text(f"probes:\n  - {probe}\n")
    with pytest.raises(InvalidConfig) as caught:
        load_agent(None)
    assert problem in str(caught.value)
    assert str(caught.value).startswith("crawler.yaml:")


@pytest.mark.usefixtures("folder")
def test_check_tells_what_is_well_and_what_is_not(app_env: dict[str, str]) -> None:
    """Exit code 0 with a line for each thing; 2 where something is missing."""
    command = [sys.executable, "-m", "crawler", "check"]
    done = subprocess.run(command, env=app_env, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert [line[:2] for line in done.stdout.splitlines()] == ["ok"] * 5
    stream = '{"type": "local", "path": "no/such/folder/x.db"}'
    env = {**app_env, "CRAWLER_STREAM": stream}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout.splitlines()[-1].startswith("FAILED  stream local: no/such/folder/x.db")


@pytest.mark.parametrize(
    ("script", "code", "crash", "last"),
    [
        ("exit 0", 0, None, (State.STOPPED, "exited with code 0")),
        ("exit 3", 3, ("exit code 3", 3, None), (State.DOWN, "exited with code 3")),
        (
            "kill -SEGV $$",
            139,
            ("SIGSEGV", None, "SIGSEGV"),
            (State.DOWN, "killed by SIGSEGV"),
        ),
    ],
)
def test_exec_knows_how_its_command_ended(
    script: str,
    code: int,
    crash: tuple[str, int | None, str | None] | None,
    last: tuple[State, str],
    folder: Path,
    app_env: dict[str, str],
    read_log: ReadLog,
) -> None:
    """The exit code is passed on, output is untouched, and a bad end is a crash."""
    done = subprocess.run(
        [sys.executable, "-m", "crawler", "exec", "--service", "job", "--",
         "sh", "-c", f"echo out; {script}"],
        env=app_env, capture_output=True, text=True, check=False, cwd=folder,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (code, "out\n")
    events = read_log(folder / "pulsebot-log.db")
    crashes = [(e.data.error, e.data.exit_code, e.data.signal) for e in _of(events, Crash, "job")]
    assert crashes == ([crash] if crash else [])
    statuses = [(e.data.state, e.data.reason) for e in _of(events, Status, "job")]
    assert statuses[0][0] is State.STARTING
    assert statuses[-1] == last


def test_exec_passes_signals_on_and_an_asked_for_end_is_no_crash(
    folder: Path, app_env: dict[str, str], read_log: ReadLog
) -> None:
    """SIGTERM reaches the command; its death by it is a stop."""
    code = "import time; print('up', flush=True); time.sleep(60)"
    running = subprocess.Popen(
        [sys.executable, "-m", "crawler", "exec", "--service", "job", "--",
         sys.executable, "-c", code],
        env=app_env, cwd=folder, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert running.stdout.readline() == b"up\n"
    running.send_signal(signal.SIGTERM)
    assert running.wait(PATIENCE_S) == 128 + signal.SIGTERM
    running.stdout.close()
    events = read_log(folder / "pulsebot-log.db")
    assert _of(events, Crash, "job") == []
    last = _of(events, Status, "job")[-1].data
    assert (last.state, last.reason) == (State.STOPPED, "killed by SIGTERM, as asked")


def test_exec_of_a_command_that_is_not_there(folder: Path, app_env: dict[str, str]) -> None:
    """One line and exit code 2."""
    done = subprocess.run(
        [sys.executable, "-m", "crawler", "exec", "--service", "job", "--", "no-such-command"],
        env=app_env, cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "crawler: cannot run no-such-command: No such file or directory\n"


def test_exec_runs_its_command_although_nothing_can_be_told(
    folder: Path, app_env: dict[str, str]
) -> None:
    """A spool folder that cannot be used does not keep the service from running."""
    (folder / "crawler-spool").write_text("in the way")
    done = subprocess.run(
        [sys.executable, "-m", "crawler", "exec", "--service", "job", "--", "echo", "ran"],
        env=app_env, cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "ran\n")
    assert "runs unwatched" in done.stderr
