import json
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from crawler.cli import main
from pulsebot.event import State
from tests.patience import PATIENCE_S

LOG = Path("pulsebot-log.db")
ReadLog = Callable[[Path], list[Any]]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


def test_a_trigger_with_count_and_time(
    read_log: ReadLog, capsys: pytest.CaptureFixture[str]
) -> None:
    """The issue's own example: count and time arrive as given, and one line confirms it."""
    assert _run("send", "trigger", "svc-a", "--count", "3", "--at", "2026-11-23T10:00:00Z") == 0
    (event,) = read_log(LOG)
    assert (event.service, event.data.count) == ("svc-a", 3)
    assert event.time == datetime(2026, 11, 23, 10, tzinfo=UTC)
    out = capsys.readouterr().out
    assert out.startswith("sent trigger of svc-a at 2026-11-23T10:00:00Z to pulse.trigger")
    assert out.count("\n") == 1


def test_a_crash_with_its_stack_from_a_file(read_log: ReadLog) -> None:
    """Everything that can be said of a crash arrives."""
    Path("trace.txt").write_text("Traceback …\nValueError: bad\n")
    code = _run(
        "send", "crash", "svc-a", "--error", "ValueError", "--message", "bad",
        "--stack-file", "trace.txt", "--tag", "env=prod", "--instance", "i-7",
        "--signal", "SIGSEGV", "--exit-code", "139",
    )  # fmt: skip
    assert code == 0
    (event,) = read_log(LOG)
    data = event.data
    assert (data.error, data.message, data.signal, data.exit_code) == (
        "ValueError", "bad", "SIGSEGV", 139,
    )  # fmt: skip
    assert "ValueError: bad" in data.stack
    assert (event.instance, data.tags) == ("i-7", {"env": "prod"})


def test_status_and_message(read_log: ReadLog) -> None:
    """The other two kinds."""
    assert _run("send", "status", "svc-a", "--state", "up", "--reason", "restarted") == 0
    assert _run("send", "message", "svc-a", "low disk", "--level", "warning") == 0
    status, message = sorted(read_log(LOG), key=lambda event: event.kind, reverse=True)
    assert status.data.state is State.UP
    assert (message.data.text, message.data.level) == ("low disk", "warning")


def test_tags_of_the_settings_file_are_added(read_log: ReadLog) -> None:
    """The crawler.yaml of the working folder holds for `send` as well."""
    Path("crawler.yaml").write_text("tags: {env: prod, team: a}\nstream: {type: local, path: x.db}")
    assert _run("send", "trigger", "svc-a", "--tag", "team=b") == 0
    (event,) = read_log(Path("x.db"))
    assert event.data.tags == {"env": "prod", "team": "b"}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("trigger", "svc-a", "--at", "yesterday"), "--at 'yesterday' is not a time"),
        (("trigger", "svc-a", "--at", "2026-11-23T10:00:00"), "has no zone; add Z"),
        (("trigger", "svc-a", "--tag", "prod"), "--tag 'prod' must be name=value"),
        (("trigger", "svc-a", "--count", "0"), "greater than or equal to 1"),
        (("trigger", ""), "the service must not be empty"),
        (("trigger",), "Missing argument 'service'"),
        (("message", "svc-a", "x", "--level", "loud"), "--level 'loud' must be one of info"),
        (("status", "svc-a", "--state", "fine"), "'fine' is not one of"),
        (("crash", "svc-a", "--error", "E", "--stack-file", "gone"), "--stack-file gone"),
        (("trigger", "svc-a", "--config", "gone.yaml"), "gone.yaml: there is no such file"),
    ],
)
def test_bad_input_is_told_in_one_line(
    arguments: tuple[str, ...], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, the fault and its mend in one line, and nothing is sent."""
    assert _run("send", *arguments) == 2
    complaints = capsys.readouterr().err
    assert complaint in complaints
    assert complaints.count("\n") == 1
    assert not LOG.exists()


def test_the_stream_away_is_told_within_the_time_limit(capsys: pytest.CaptureFixture[str]) -> None:
    """Where the stream cannot be had, nothing claims to be sent."""
    Path("crawler.yaml").write_text("stream: {type: local, path: no/such/folder/x.db}")
    assert _run("send", "trigger", "svc-a", "--within", "0.5") == 2
    out = capsys.readouterr()
    assert out.out == ""
    assert out.err.count("\n") == 1


def test_lines_from_stdin(read_log: ReadLog, app_env: dict[str, str]) -> None:
    """Good lines are sent with the ids they have, bad ones told by number and skipped."""
    lines = [json.dumps(_event(f"id-{n}")) for n in range(1200)]
    lines[7] = "{not json"
    lines.insert(20, "")
    lines[30] = json.dumps({**_event("x"), "time": "2026-11-23T10:00:00"})
    done = subprocess.run(
        [sys.executable, "-m", "crawler", "send", "-"],
        input="\n".join(lines), capture_output=True, text=True, check=False, env=app_env,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == "sent 1,198 events, skipped 2 lines\n"
    first, second = done.stderr.splitlines()
    assert first.startswith("stdin:8: not JSON")
    assert second.startswith("stdin:31: not a valid event")
    ids = [event.id for event in read_log(LOG)]
    assert len(ids) == len(set(ids)) == 1198
    assert "id-1199" in ids


def test_a_live_pipe_is_sent_as_it_comes(
    read_log: ReadLog, app_env: dict[str, str], until: Callable[..., None]
) -> None:
    """What a program writes now and then does not wait in the sender for more of it."""
    with subprocess.Popen(
        [sys.executable, "-m", "crawler", "send", "-", "--within", "5"],
        stdin=subprocess.PIPE,
        env=app_env,
    ) as sender:
        for number in range(1, 3):
            text = json.dumps(_event(f"id-{number}")).encode()
            sender.stdin.write(text[:20])
            sender.stdin.flush()
            sender.stdin.write(text[20:] + b"\n")
            sender.stdin.flush()
            until(lambda: LOG.exists() and len(read_log(LOG)) == number)  # noqa: B023 - at once
        time.sleep(5.5)  # a pause of the program is none of the stream's
        sender.stdin.close()
        assert sender.wait(PATIENCE_S) == 0


def test_many_senders_at_once_lose_and_repeat_nothing(
    read_log: ReadLog, app_env: dict[str, str]
) -> None:
    """Six processes that send to one log at the same time all succeed."""

    def send(number: int) -> int:
        command = [sys.executable, "-m", "crawler", "send", "trigger", "svc-a", "--count"]
        return subprocess.run([*command, str(number)], check=False, env=app_env).returncode

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(send, range(1, 7))) == [0] * 6
    events = read_log(LOG)
    assert sum(event.data.count for event in events) == 21
    assert len({event.id for event in events}) == 6


def _event(event_id: str) -> dict[str, Any]:
    return {
        "specversion": "1.0", "id": event_id, "source": "svc-a", "type": "pulse.trigger",
        "time": "2026-11-23T10:00:00Z", "data": {"count": 2},
    }  # fmt: skip


def test_no_command_gets_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Who gives no command is shown what there is."""
    for arguments in ((), ("send",)):
        assert _run(*arguments) == 2
        assert capsys.readouterr().err.startswith("Usage: crawler")


def test_settings_of_the_agent_are_no_hindrance(
    read_log: ReadLog, capsys: pytest.CaptureFixture[str]
) -> None:
    """All that a crawler.yaml may say for `crawler run` may be said beside `crawler send`."""
    Path("crawler.yaml").write_text("report_as: null\nlogs: {level: error}\n")
    assert _run("send", "trigger", "svc-a") == 0, capsys.readouterr().err
    assert len(read_log(LOG)) == 1


def test_a_stream_that_is_away_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """The last line says where it was looked for and what was sent; nothing goes to stdout."""
    Path("crawler.yaml").write_text('stream: {type: kafka, bootstrap: ["127.0.0.1:9"]}\n')
    assert _run("send", "trigger", "svc-a", "--within", "0.5") == 2
    told = capsys.readouterr()
    assert told.err.splitlines()[-1] == (
        "crawler: Kafka at 127.0.0.1:9 did not answer within 0.5 s; 0 events sent before"
    )
    assert told.out == ""
