import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from pydantic import ValidationError

from crawler.probes.base import Place
from crawler.probes.process import ProcessProbe, ProcessSettings
from pulsebot.event import Crash, State, Status

SLEEP = "import sys, time; print('up', flush=True); sys.stdin.read()"
Start = Callable[..., subprocess.Popen[str]]


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        """Return the time that was set."""
        return self.now


@pytest.fixture
def start() -> Iterator[Start]:
    """Return a function that starts a Python process which waits for its stdin to end."""
    running: list[subprocess.Popen[str]] = []

    def begin(*extra: str, code: str = SLEEP) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *extra],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        running.append(process)
        assert process.stdout.readline() == "up\n"
        return process

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def _probe(clock: Clock | None = None, **which: Any) -> ProcessProbe:
    settings = ProcessSettings.model_validate({"type": "process", **which})
    return ProcessProbe(settings, Place("svc-a", "host-1", {}), clock or Clock())


def _states(events: list[Any]) -> list[tuple[State, str | None]]:
    return [(e.data.state, e.data.reason) for e in events if isinstance(e, Status)]


def test_a_running_process_is_up_with_its_vital_signs(start: Start) -> None:
    """Found by its command line, it is told with memory and age, and again each interval."""
    mark = f"mark-{os.getpid()}-a"
    start(mark)
    clock = Clock()
    probe = _probe(clock, command=mark, interval_s=10)
    (status,) = probe.look()
    assert status.data.state is State.UP
    assert status.data.rss > 1_000_000
    clock.now += 9
    assert probe.look() == []
    clock.now += 1
    assert _states(probe.look()) == [(State.UP, None)]


def test_killed_by_a_signal_is_a_crash_and_down(start: Start) -> None:
    """A process that dies of SIGSEGV before anyone reaps it is dead, and its signal known."""
    mark = f"mark-{os.getpid()}-b"
    process = start(mark)
    probe = _probe(command=mark)
    probe.look()
    process.send_signal(11)
    psutil.wait_procs([], timeout=0)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # a zombie from here on
    events = probe.look()
    crash = events[0]
    assert isinstance(crash, Crash)
    assert (crash.data.error, crash.data.signal) == ("SIGSEGV", "SIGSEGV")
    assert _states(events)[0] == (State.DOWN, f"killed by SIGSEGV (pid {process.pid})")


def test_a_bad_exit_code_is_a_crash_and_a_good_one_is_not(start: Start) -> None:
    """Code 3 is a crash with that code; code 0 is only down."""
    for number, expected in ((3, [3]), (0, [])):
        mark = f"mark-{os.getpid()}-c{number}"
        code = f"import sys; print('up', flush=True); sys.stdin.readline(); sys.exit({number})"
        process = start(mark, code=code)
        probe = _probe(command=mark)
        probe.look()
        process.stdin.write("\n")
        process.stdin.flush()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        events = probe.look()
        assert [e.data.exit_code for e in events if isinstance(e, Crash)] == expected
        assert _states(events)[0][0] is State.DOWN


def test_an_exit_that_somebody_else_reaped_is_down_with_code_unknown(tmp_path: Path) -> None:
    """Without the code nobody may call it a crash."""
    pid_file = tmp_path / "svc.pid"
    shell = subprocess.Popen(
        ["sh", "-c", f"sleep 60 & echo $! > {pid_file}; wait; echo reaped; cat"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not (pid_file.exists() and pid_file.read_text().endswith("\n")):
        pass
    probe = _probe(pid_file=str(pid_file))
    assert _states(probe.look())[0][0] is State.UP
    pid = int(pid_file.read_text())
    os.kill(pid, 9)
    assert shell.stdout.readline() == "reaped\n"
    events = probe.look()
    assert [type(e) for e in events] == [Status]
    assert _states(events) == [(State.DOWN, f"exited (code unknown) (pid {pid})")]
    shell.communicate()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can look as somebody else")
def test_the_code_of_another_users_process_is_unknown(start: Start) -> None:
    """The system says 0 to who may not see it; that is no clean end."""
    mark = f"mark-{os.getpid()}-other"
    process = start(mark)
    probe = _probe(command=mark)
    probe.look()
    process.send_signal(11)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    os.seteuid(65534)
    try:
        events = probe.look()
    finally:
        os.seteuid(0)
    assert _states(events)[0] == (State.DOWN, f"exited (code unknown) (pid {process.pid})")


def test_a_restart_is_told_with_both_pids(start: Start) -> None:
    """Another process in the place of the first is a restart, then up."""
    mark = f"mark-{os.getpid()}-d"
    first = start(mark)
    probe = _probe(command=mark)
    probe.look()
    first.kill()
    first.wait()
    second = start(mark)
    states = _states(probe.look())
    assert states[-2] == (State.STARTING, f"restarted (pid {first.pid} → {second.pid})")
    assert states[-1][0] is State.UP


def test_nothing_found_is_down_and_a_later_start_is_seen(start: Start, tmp_path: Path) -> None:
    """A missing or senseless pid file is no process, and no error."""
    pid_file = tmp_path / "svc.pid"
    clock = Clock()
    probe = _probe(clock, pid_file=str(pid_file))
    assert _states(probe.look()) == [(State.DOWN, "no such process")]
    pid_file.write_text("no number")
    assert probe.look() == []
    pid_file.write_text(str(start().pid))
    assert _states(probe.look())[0][0] is State.UP


def test_a_stale_pid_file_does_not_pass_for_the_service(start: Start, tmp_path: Path) -> None:
    """With a name given as well, a reused pid is not taken for the service."""
    pid_file = tmp_path / "svc.pid"
    pid_file.write_text(str(start().pid))
    probe = _probe(pid_file=str(pid_file), name="something-else")
    assert _states(probe.look()) == [(State.DOWN, "no such process")]


def test_of_several_the_oldest_is_watched(start: Start) -> None:
    """The parent of a group of workers stands for the service."""
    mark = f"mark-{os.getpid()}-e"
    first = start(mark)
    start(mark)
    probe = _probe(command=mark)
    probe.look()
    first.kill()
    first.wait()
    assert any(f"pid {first.pid} →" in (reason or "") for _, reason in _states(probe.look()))


def test_the_settings_must_say_which() -> None:
    """A probe of no process in particular is refused."""
    with pytest.raises(ValidationError, match="give `pid_file`, `name` or `command`"):
        ProcessSettings.model_validate({"type": "process"})
