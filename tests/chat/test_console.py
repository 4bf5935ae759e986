"""The console chat, on a real pty and on plain pipes."""

import asyncio
import io
import os
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pulsebot.chat.base import Incoming
from pulsebot.chat.console import ConsoleChat
from pulsebot.chat.lines import read_lines
from pulsebot.errors import Permanent
from pulsebot.message import Message, Text
from tests.chat.pseudoterminal import at_terminal
from tests.patience import PATIENCE_S

SESSION = "tests.chat.console_session"


async def echo(incoming: Incoming) -> Message:
    """Answer with what was asked, and by whom."""
    return Message(f"{incoming.asker.channel} asked {incoming.text}")


async def test_a_command_typed_at_the_prompt_is_answered_with_a_table() -> None:
    """Enter hands the line without its slash to the handler and prints the answer."""
    async with at_terminal(SESSION) as person:
        await person.sees("❯")
        person.type("/triggers svc-a today\r")
        await person.sees("svc-a today: 1,234 triggers")
        await person.sees("───")


async def test_tab_completes_commands_and_services() -> None:
    """Tab fills in the only candidate, for the first word and for the next."""
    async with at_terminal(SESSION) as person:
        await person.sees("❯")
        person.type("/tri\t sv\t today\r")
        await person.sees("svc-a today: 1,234 triggers")


async def test_the_arrow_brings_back_an_earlier_command() -> None:
    """History works as in a shell."""
    async with at_terminal(SESSION) as person:
        await person.sees("❯")
        person.type("triggers checkout today\r")
        await person.sees("checkout today: 1,234 triggers")
        await person.sees("❯")
        person.type("\x1b[A\r")
        await person.sees("checkout today: 1,234 triggers")


async def test_an_alert_is_coloured_and_cannot_play_with_the_terminal() -> None:
    """Escape sequences and markup in an event's text are shown, not obeyed."""
    async with at_terminal(SESSION) as person:
        await person.sees("❯")
        person.type("alert\r")
        await person.sees("svc-a crashed ␛[2J␛]0;owned␇ [red]no markup[/red]")
        assert "\x1b[2J" not in person.seen
        assert "\x1b]0;owned" not in person.seen
        assert "\x1b[1;31m✖ " in person.seen


async def test_a_log_line_appears_above_the_prompt() -> None:
    """What the program logs does not run into the line that is being typed."""
    async with at_terminal(SESSION) as person:
        await person.sees("❯")
        person.type("log\r")
        await person.sees("a log line")
        await person.sees("❯")  # drawn again below it


async def test_logs_that_go_elsewhere_stay_there() -> None:
    """Standard error is taken over only where it is the terminal too."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as logs, os.fdopen(writing, "w") as errors:
        async with at_terminal(SESSION, errors=errors) as person, asyncio.timeout(PATIENCE_S):
            await person.sees("❯")
            person.type("log\r")
            line = await anext(read_lines(logs))
    assert "a log line" in line
    assert "a log line" not in person.seen


@pytest.mark.parametrize("key", ["\x04", "\x03", "quit\r"], ids=["ctrl-d", "ctrl-c", "quit"])
async def test_the_person_ends_the_session(key: str) -> None:
    """Ctrl-D, Ctrl-C and `quit` call `on_exit`, and the terminal is left as it was found."""
    async with at_terminal(SESSION) as person:
        before = person.modes()
        await person.sees("❯")
        assert person.modes() != before
        person.type(key)
        await person.sees("ended by the person")
        await person.sees("closed")
        assert await person.process.wait() == 0
        assert person.modes() == before


async def test_leaving_while_the_prompt_waits_restores_the_terminal() -> None:
    """A stop from elsewhere takes the prompt away without calling `on_exit`."""
    async with at_terminal(SESSION) as person:
        before = person.modes()
        await person.sees("❯")
        person.type("leave\r")
        await person.sees("closed")
        assert await person.process.wait() == 0
        assert person.modes() == before
        assert "ended by the person" not in person.seen


async def test_without_a_terminal_plain_lines_go_in_and_out() -> None:
    """A pipe gets the commands echoed, the answers, and no escape sequence."""
    sink, ended = io.StringIO(), asyncio.Event()
    reading, writing = os.pipe()
    with os.fdopen(reading) as source, os.fdopen(writing, "w") as typed:
        async with ConsoleChat(echo, on_exit=ended.set, source=source, sink=sink) as chat:
            await chat.send("", Message("svc-a \x1b[31mdown", (Text("two\nlines"),), "error"))
            typed.write("/status svc-a\nex")
            typed.flush()
            typed.write("it\n")
            typed.flush()
            await asyncio.wait_for(ended.wait(), PATIENCE_S)
    lines = sink.getvalue().splitlines()
    assert lines[0].endswith("🟠 svc-a ␛[31mdown")
    assert lines[1:] == [
        "  two",
        "  lines",
        "> /status svc-a",
        "console asked status svc-a",
        "> exit",
    ]


async def test_the_end_of_an_input_that_is_no_terminal_stops_nothing() -> None:
    """A bot started by a service manager, its input /dev/null, keeps running and printing."""
    sink = io.StringIO()
    with os.fdopen(os.open(os.devnull, os.O_RDONLY)) as source:
        async with ConsoleChat(echo, on_exit=pytest.fail, source=source, sink=sink) as chat:
            await asyncio.sleep(0)
            await chat.send("", Message("still here"))
    assert "still here" in sink.getvalue()


async def test_commands_may_come_from_a_file(tmp_path: Path) -> None:
    """A regular file cannot be waited for; it is read all the same."""
    script = tmp_path / "commands"
    script.write_text("help\nquit\n")
    sink, ended = io.StringIO(), asyncio.Event()
    with os.fdopen(os.open(script, os.O_RDONLY)) as source:
        async with ConsoleChat(echo, on_exit=ended.set, source=source, sink=sink):
            await asyncio.wait_for(ended.wait(), PATIENCE_S)
    assert "console asked help" in sink.getvalue()


async def test_a_closed_output_is_a_permanent_error() -> None:
    """Delivery learns that nobody will read this any more."""
    sink = io.StringIO()
    sink.close()
    async with ConsoleChat(echo, source=io.StringIO(), sink=sink) as chat:
        with pytest.raises(Permanent, match="output is closed"):
            await chat.send("", Message("hello"))


async def test_the_time_shown_is_the_readers() -> None:
    """The stamp is local to the zone that was given."""
    sink = io.StringIO()
    zone = ZoneInfo("Asia/Kathmandu")
    before = datetime.now(zone).replace(microsecond=0)
    async with ConsoleChat(echo, zone=zone.key, source=io.StringIO(), sink=sink) as chat:
        await chat.send("", Message("hello"))
    shown = datetime.strptime(sink.getvalue()[:8], "%H:%M:%S").replace(tzinfo=zone).time()
    assert shown in {before.time(), datetime.now(zone).replace(microsecond=0).time()}
