"""`pulsebot sql` as a person and a script use it: a process of its own."""

import json
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pulsebot import event as events
from pulsebot.event import TriggerData
from pulsebot.settings import Settings
from tests.chat.pseudoterminal import at_terminal
from tests.materialize.site import PER_DAY, consumed, running, send, site
from tests.terminal.test_cli import run

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def written(folder: Path) -> Settings:
    """Write a settings file that says where everything is; return the settings."""
    settings = site(folder)
    (folder / "pulsebot.yaml").write_text(
        f"stream: {{type: local, path: {folder / 'log.db'}, topics: {{retention_days: 36500}}}}\n"
        f"database: {folder / 'bot.db'}\n"
    )
    return settings


async def test_a_file_creates_and_a_statement_asks(tmp_path: Path) -> None:
    """Views live in a file under version control; scripts read JSON."""
    settings = written(tmp_path)
    await send(settings, events.trigger("svc-a", NOON, TriggerData(count=3)))
    async with running(settings) as bot:
        await consumed(bot, 1)
    (tmp_path / "views.sql").write_text(PER_DAY)
    created = run("pulsebot", "sql", "-f", "views.sql", folder=tmp_path)
    assert created.returncode == 0, created.stderr
    assert "Table PER_DAY is there." in created.stdout
    asked = run("pulsebot", "sql", "-o", "json", "SELECT * FROM PER_DAY", folder=tmp_path)
    assert json.loads(asked.stdout)["COUNT"] == 3


def test_mistakes_are_told_in_words(tmp_path: Path) -> None:
    """Exit code 2, the place under the line, the file's name, and no traceback."""
    written(tmp_path)
    (tmp_path / "views.sql").write_text("SHOW TABLES;\nSELECT A FROM PER_DAI;\n")
    told = run("pulsebot", "sql", "-f", "views.sql", folder=tmp_path)
    assert told.returncode == 2
    assert told.stderr.splitlines()[:2] == ["SELECT A FROM PER_DAI;", "              ^"]
    assert "views.sql:2:15: there is no view PER_DAI" in told.stderr
    for arguments in (("-f", "none.sql"), ("-f", "views.sql", "SHOW TABLES")):
        told = run("pulsebot", "sql", *arguments, folder=tmp_path)
        assert told.returncode == 2
        assert "Traceback" not in told.stderr


async def test_a_person_in_the_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several lines, completion, a mistake, an answer, and a history for the next time."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    settings = written(tmp_path)
    await send(settings, events.trigger("svc-a", NOON, TriggerData(count=3)))
    arguments = ("sql", "-c", str(tmp_path / "pulsebot.yaml"))
    async with running(settings) as bot:
        await consumed(bot, 1)
        async with at_terminal("pulsebot", *arguments) as person:
            await person.sees("❯", within_s=60)
            person.type("create table PER_DAY as select SERVICE_ID, COUNT(*)\r")
            await person.sees("…")
            person.type("from SERVICE_TR\t window tumbling (size 1 day) group by SERVICE_ID;\r")
            await person.sees("Table PER_DAY is there.", within_s=60)
            await person.sees("❯")
            person.type("select SERVICE_ID, COUNT from PER_D\t where COUNT = 3;\r")
            await person.sees("svc-a")
            await person.sees("1 row")
            await person.sees("❯")
            person.type("select * from PER_DAI;\r")
            await person.sees("did you mean PER_DAY?")
            await person.sees("❯")
            person.type("select SERVICE_ID from SERVICE_TRIGGER emit changes;\r")
            await person.sees("SERVICE_ID\r\n")
            await send(settings, events.trigger("svc-new", NOON))
            await person.sees("svc-new")
            person.process.send_signal(signal.SIGINT)  # Ctrl-C; this pty controls no process
            await person.sees("❯")
            person.type("\\q\r")
            assert await person.process.wait() == 0
    history = (tmp_path / "state" / "pulsebot" / "sql_history").read_text()
    assert "PER_DAI" in history
