import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from pulsebot.cli import app
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]


def run(
    module: str, *arguments: str, folder: Path, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run a command line of ours in a folder, as a person would."""
    clean = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "TERM": "dumb", "HOME": str(folder)}
    if "run" in arguments:  # the port that `init` writes may be taken on this machine
        clean["PULSEBOT_WEB__LISTEN"] = "127.0.0.1:0"
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env=clean | environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Give a folder that `pulsebot init` made."""
    made = run("pulsebot", "init", "site", folder=tmp_path)
    assert made.returncode == 0, made.stderr
    return tmp_path / "site"


def test_every_command_has_a_help_of_one_line() -> None:
    """No command or group is undocumented."""
    root = typer.main.get_command(app)
    commands = dict(root.commands)
    assert {"run", "demo", "dlq"} <= set(commands)
    for group in [root, *commands.values()]:
        commands |= getattr(group, "commands", {})
    for command in [root, *commands.values()]:
        assert (command.help or "").strip(), command.name


def test_what_init_writes_runs_as_it_is(site: Path) -> None:
    """From an empty folder to the first answer, without editing anything."""
    checked = run("pulsebot", "check", folder=site)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "1 of 1 tests in the rule files" in checked.stdout
    at = "2026-11-23T10:00:00Z"
    for sent in (
        ("trigger", "svc-a", "--count", "3"),
        ("crash", "svc-a", "--error", "ValueError"),
        ("trigger", "svc-a", "--count", "9", "--at", at),
    ):
        assert run("crawler", "send", *sent, folder=site).returncode == 0
    once = run("pulsebot", "run", "--once", folder=site)
    assert once.returncode == 0, once.stderr
    assert "svc-a crashed: ValueError" in once.stdout
    asked = run("pulsebot", "ask", "/triggers svc-a 2026-11-23", folder=site)
    assert asked.returncode in {0, 2}
    crashed = run("pulsebot", "ask", "/crashes svc-a today", folder=site)
    assert crashed.stdout.startswith("svc-a: 1 crash today")
    counted = run("pulsebot", "ask", "/view TRIGGER_PER_DAY svc-a", folder=site)
    assert "svc-a" in counted.stdout
    digest = run("pulsebot", "digest", "preview", "daily", folder=site)
    assert digest.returncode == 0
    assert "Digest: daily" in digest.stdout


def test_a_run_that_ends_by_itself_needs_no_port(site: Path) -> None:
    """Another bot has the port of the board: `run --once` beside it does its work all the same."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = {"PULSEBOT_WEB__LISTEN": f"127.0.0.1:{taken.getsockname()[1]}"}
        once = run("pulsebot", "run", "--once", folder=site, **listen)
    assert once.returncode == 0, once.stderr


def test_init_does_not_touch_what_is_there(site: Path) -> None:
    """A second init refuses, and changes nothing."""
    (site / "pulsebot.yaml").write_text("mine")
    again = run("pulsebot", "init", ".", folder=site)
    assert again.returncode == 2
    assert "exists already" in again.stderr
    assert (site / "pulsebot.yaml").read_text() == "mine"


def test_mistakes_in_files_are_told_with_their_lines(site: Path) -> None:
    """Bad settings and bad rules: every mistake, its file and line, no traceback."""
    (site / "pulsebot.yaml").write_text("databse: x.db\nweb: {listen: here:1}\n")
    told = run("pulsebot", "check", folder=site)
    assert told.returncode == 2
    assert "pulsebot.yaml:1: `databse` is not a known key" in told.stderr
    assert "pulsebot.yaml:2:" in told.stderr
    assert "Traceback" not in told.stderr


def test_pages_that_nobody_may_see_are_told(site: Path) -> None:
    """A server beyond this machine without a token is noted, with the mend; it is no failure."""
    beyond = {"PULSEBOT_WEB__LISTEN": "0.0.0.0:8080"}
    told = run("pulsebot", "check", "--no-live", folder=site, **beyond)
    assert told.returncode == 0
    assert "note  web 0.0.0.0:8080" in told.stdout
    assert "set web.token" in told.stdout
    token = {"PULSEBOT_WEB__TOKEN": "a-token-that-nobody-guesses"}
    assert (
        "note" not in run("pulsebot", "check", "--no-live", folder=site, **beyond, **token).stdout
    )


def test_a_failing_rule_test_fails_the_check(site: Path) -> None:
    """What the rules' own tests expect and do not get is named."""
    rules = site / "rules" / "rules.yaml"
    rules.write_text(rules.read_text().replace("rule: new-crash, to", "rule: crash-loop, to"))
    told = run("pulsebot", "check", folder=site)
    assert told.returncode == 1
    assert "expected, but did not come" in told.stderr


def test_dead_letters_can_be_listed_shown_and_retried(site: Path) -> None:
    """A refused record is seen, sent again, and noted as retried."""
    script = (
        "import asyncio\n"
        "from pulsebot.stream.base import Outgoing\n"
        "from pulsebot.stream.config import LocalStream\n"
        "from pulsebot.stream.open import open_writer\n"
        "async def main():\n"
        "    async with open_writer(LocalStream()) as writer:\n"
        "        await writer.append([Outgoing('pulse.crash', 'k', b'{\"half\": ')])\n"
        "asyncio.run(main())\n"
    )
    subprocess.run(
        [sys.executable, "-c", script], cwd=site, env={"PYTHONPATH": str(ROOT)}, check=True
    )
    run("pulsebot", "run", "--once", folder=site)
    assert "not JSON" in run("pulsebot", "dlq", "list", folder=site).stdout
    assert '{"half": ' in run("pulsebot", "dlq", "show", "1", folder=site).stdout
    unsaid = run("pulsebot", "dlq", "retry", folder=site)
    assert (unsaid.returncode, unsaid.stdout) == (2, "")
    assert "Give their ids, or --all" in unsaid.stderr
    retried = run("pulsebot", "dlq", "retry", "--all", folder=site)
    assert "appended 1" in retried.stdout
    run("pulsebot", "run", "--once", folder=site)
    listed = run("pulsebot", "dlq", "list", folder=site).stdout.splitlines()
    assert len(listed) == 3
    assert "retried" in listed[2]
    missing = run("pulsebot", "dlq", "show", "77", folder=site)
    assert missing.returncode == 2
    assert "no dead letter 77" in missing.stderr


def test_replay_rebuilds_from_the_log(site: Path) -> None:
    """The views come back from the log as they were."""
    run("crawler", "send", "trigger", "svc-a", "--count", "5", folder=site)
    run("pulsebot", "run", "--once", folder=site)
    before = run("pulsebot", "ask", "/triggers svc-a today", folder=site).stdout
    told = run("pulsebot", "replay", "--since", "1d", folder=site)
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("rebuilt the views since 20")
    assert "1 event of 1 record\n" in told.stdout
    after = run("pulsebot", "ask", "/triggers svc-a today", folder=site).stdout
    assert before.splitlines()[0] == after.splitlines()[0] == "svc-a: 5 triggers today"


def test_schema_and_manifest_are_machine_readable(site: Path) -> None:
    """What is printed for machines parses."""
    schema = json.loads(run("pulsebot", "schema", folder=site).stdout)
    assert "pulse.trigger" in json.dumps(schema)
    manifest = json.loads(run("pulsebot", "slack", "manifest", folder=site).stdout)
    assert any("triggers" in c["command"] for c in manifest["features"]["slash_commands"])
    topics = run("pulsebot", "topics", "create", folder=site)
    assert topics.returncode == 0
    assert "pulse.crash: " in topics.stdout


def test_asking_before_the_bot_ever_ran_says_so(site: Path) -> None:
    """No database yet is no traceback."""
    told = run("pulsebot", "ask", "/status", folder=site)
    assert told.returncode == 2
    assert "start the bot: pulsebot run" in told.stderr


def test_the_shell_can_complete(site: Path) -> None:
    """What bash asks on a tab is answered with the commands."""
    asked = {"_PULSEBOT_COMPLETE": "complete_bash", "COMP_WORDS": "pulsebot re", "COMP_CWORD": "1"}
    told = run("pulsebot", folder=site, **asked)
    assert told.stdout.split() == ["replay"]
