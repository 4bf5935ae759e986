import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil
import pytest

from pulsebot.demo.cast import CAST
from tests.chat.pseudoterminal import at_terminal
from tests.patience import PATIENCE_S

PLAYING = {"pulsebot.demo.stage", "crawler", *(f"{service.name}.py" for service in CAST)}


def _players(folder: Path) -> dict[int, str]:
    """Return the processes that are about this folder, by pid."""
    found = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            words = process.cmdline()
            if process.status() != psutil.STATUS_ZOMBIE and str(folder) in " ".join(words):
                found[process.pid] = " ".join(words)
    return found


def _left(folder: Path) -> list[str]:
    """Return what a demo whose files were in this folder has left behind."""
    return [*_players(folder).values(), *map(str, folder.iterdir())]


def _all_play(folder: Path) -> bool:
    lines = _players(folder).values()
    return all(any(name in line for line in lines) for name in PLAYING)


async def _playing(folder: Path) -> None:
    """Wait until every process of the demo runs."""
    async with asyncio.timeout(PATIENCE_S):
        while not _all_play(folder):  # noqa: ASYNC110 - other processes give no sign
            await asyncio.sleep(0.1)


async def _begun(folder: Path) -> None:
    """Wait for the demo's first process, while the rest is still being set up."""
    async with asyncio.timeout(PATIENCE_S):
        while not _players(folder):  # noqa: ASYNC110 - same
            await asyncio.sleep(0.01)


async def _gone(folder: Path) -> None:
    """Wait until no process of the demo is left."""
    async with asyncio.timeout(PATIENCE_S):
        while _players(folder):  # noqa: ASYNC110 - same
            await asyncio.sleep(0.1)


@asynccontextmanager
async def _demo(temporary: Path, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the demo without a terminal; its temporary folder is made in `temporary`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pulsebot", "demo", *arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"TMPDIR": str(temporary)},
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()
        await _gone(temporary)


async def test_the_script_shows_every_alert_and_the_exact_count(tmp_path: Path) -> None:
    """The fixed scene ends well by itself, and leaves neither processes nor files."""
    async with _demo(tmp_path, "--script") as process:
        async with asyncio.timeout(PATIENCE_S):
            output, errors = await process.communicate()
        text = output.decode()
        assert (process.returncode, errors.decode()) == (0, ""), text
        assert "checkout crashed: KeyError" in text
        assert "inventory crashed: SIGSEGV" in text
        assert "> /triggers checkout today\ncheckout: " in text
        assert text.endswith("checkout's triggers were counted exactly.\n")
        assert _left(tmp_path) == []


async def test_the_script_fails_when_the_count_is_not_what_checkout_sent(tmp_path: Path) -> None:
    """One trigger more in checkout's own record than the bot can have: exit code 1, and why."""
    folder = tmp_path / "mine"
    async with _demo(tmp_path, "--script", "--folder", str(folder)) as process:
        await _playing(folder)
        with (folder / "checkout-sent.txt").open("a", encoding="ascii") as sent:
            sent.write(f"{time.time()} order\n")
        async with asyncio.timeout(PATIENCE_S):
            _, errors = await process.communicate()
    assert process.returncode == 1
    [said] = re.findall(r"MISSING: .*the bot says (\d+), checkout sent (\d+)", errors.decode())
    assert int(said[1]) == int(said[0]) + 1


async def test_a_newcomer_sees_a_crash_asks_and_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a terminal: the greeting, the first crash, answers at the prompt, Ctrl-C."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    async with at_terminal("pulsebot", "demo") as person:
        await person.sees("/triggers checkout today", PATIENCE_S)
        await person.sees("http://127.0.0.1:", PATIENCE_S)
        await person.sees("❯", PATIENCE_S)
        await person.sees("checkout crashed: KeyError", PATIENCE_S)
        await person.sees("❯")
        person.type("/triggers checkout today\r")
        await person.sees("checkout: ")
        await person.sees(" today")
        person.type("/view TRIGGER_PER_DAY\r")
        await person.sees("WINDOWSTART")
        person.type("\x03")
        await person.sees("The demo has ended", PATIENCE_S)
        assert await person.process.wait() == 0
    assert _left(tmp_path) == []


@pytest.fixture
def hang_up() -> Iterator[None]:
    """Let processes that are started here heed a closed terminal, also where nobody else does."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hang_up")
@pytest.mark.parametrize(
    ("number", "come"),
    [(signal.SIGINT, _begun), (signal.SIGTERM, _playing), (signal.SIGHUP, _playing)],
)
async def test_signals_end_everything_cleanly(
    tmp_path: Path, number: signal.Signals, come: Callable[[Path], Awaitable[None]]
) -> None:
    """Ctrl-C from outside, a polite kill and a closed terminal leave nothing behind, ever."""
    async with _demo(tmp_path) as process:
        await come(tmp_path)
        process.send_signal(number)
        async with asyncio.timeout(PATIENCE_S):
            await process.communicate()
        assert process.returncode == 0
        assert _left(tmp_path) == []


async def test_a_scene_that_is_interrupted_has_failed(tmp_path: Path) -> None:
    """In CI a polite kill ends everything at once too, but nothing was shown: exit code 1."""
    async with _demo(tmp_path, "--script") as process:
        await _playing(tmp_path)
        process.terminate()
        async with asyncio.timeout(PATIENCE_S):
            _, errors = await process.communicate()
        assert process.returncode == 1
        assert errors.decode() == "MISSING: the end of the scene: it was interrupted\n"
        assert _left(tmp_path) == []


async def test_services_end_by_themselves_when_the_demo_is_killed(tmp_path: Path) -> None:
    """After kill -9 of the bot the stage ends its children, and removes the folder."""
    async with _demo(tmp_path) as process:
        await _playing(tmp_path)
        process.kill()
        await _gone(tmp_path)
        assert _left(tmp_path) == []


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux tells children of a parent's death"
)
async def test_the_demo_ends_with_an_error_when_the_stage_is_killed(tmp_path: Path) -> None:
    """Without its services the demo says so and ends; the services end too."""
    async with _demo(tmp_path) as process:
        await _playing(tmp_path)
        [stage] = [pid for pid, line in _players(tmp_path).items() if "demo.stage" in line]
        os.kill(stage, signal.SIGKILL)
        async with asyncio.timeout(PATIENCE_S):
            _, errors = await process.communicate()
        assert process.returncode == 2
        assert "services ended by themselves" in errors.decode()
        await _gone(tmp_path)


async def test_a_folder_of_ones_own_is_kept(tmp_path: Path) -> None:
    """With --folder settings, logs and data stay, for a closer look."""
    folder = tmp_path / "mine"
    async with _demo(tmp_path, "--folder", str(folder)) as process:
        await _playing(folder)
        process.terminate()
        await process.communicate()
    assert process.returncode == 0
    assert {"pulsebot.yaml", "crawler.yaml", "pulsebot.db", "logs"} <= {
        path.name for path in folder.iterdir()
    }


async def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    """The demo never mixes its files with anybody's."""
    (tmp_path / "thesis.txt").write_text("the only copy")
    async with _demo(tmp_path, "--folder", str(tmp_path)) as process:
        _, errors = await process.communicate()
    assert process.returncode == 2
    assert "is not an empty folder; give a new one" in errors.decode()
