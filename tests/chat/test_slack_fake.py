"""The fake Slack as a process of its own, as the fault tests use it."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from pydantic import SecretStr

from pulsebot.chat.slack import SlackChat
from pulsebot.errors import Retryable
from pulsebot.message import Message
from pulsebot.settings import Slack
from tests.chat.slack_rig import Recorder
from tests.fakes.slack import FakeSlack
from tests.patience import PATIENCE_S


@asynccontextmanager
async def process(record: Path) -> AsyncIterator[str]:
    """Run the fake; yields its base URL; the process is killed at the end."""
    arguments = ("-m", "tests.fakes.slack", "--record", str(record))
    fake = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert fake.stdout
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield (await fake.stdout.readline()).decode().strip()
    finally:
        fake.kill()
        await fake.wait()


async def test_accepted_messages_survive_its_death_even_those_nobody_was_told_of(
    tmp_path: Path,
) -> None:
    """The record holds what was accepted, in order, and marks what was dropped afterwards."""
    record = tmp_path / "accepted.ndjson"
    async with process(record) as base_url, aiohttp.ClientSession() as session:
        faults = base_url.replace("/api/", "/_faults")
        slack = Slack(
            mode="http",
            bot_token=SecretStr(FakeSlack.bot_token),
            signing_secret=SecretStr("unused"),
            base_url=base_url,
        )
        async with SlackChat(slack, Recorder(), ()) as chat:
            await chat.send("#crash", Message("one"))
            await session.post(faults, json={"kind": "drop_after"})
            with pytest.raises(Retryable, match="broke"):
                await chat.send("#crash", Message("two"))
            await session.post(faults, json={"kind": "status", "times": 9, "channel": "#ops"})
            with pytest.raises(Retryable, match="500"):
                await chat.send("#ops", Message("three"))
            await session.delete(faults)
            await chat.send("#ops", Message("four"))
    entries = [json.loads(line) for line in record.read_text().splitlines()]
    assert [(e["body"]["text"], e["dropped"]) for e in entries] == [
        ("one", False),
        ("two", True),
        ("four", False),
    ]
    stamps = [entry["ts"] for entry in entries]
    assert stamps == sorted(set(stamps))
