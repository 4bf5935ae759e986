"""`/view` and `/sql`: views from a chat, for readers and for operators."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pulsebot import event as events
from pulsebot.app import App
from pulsebot.bot import Bot
from pulsebot.chat.base import Asker, Incoming
from pulsebot.chat.slack.render import blocks
from pulsebot.commands.rows import CELL, COLUMNS, compact
from pulsebot.errors import InvalidConfig
from pulsebot.event import TriggerData
from pulsebot.message import Table, plain
from pulsebot.settings import Settings, load
from tests.materialize.site import PER_DAY, consumed, running, send, site

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOW_MS = round(NOON.timestamp() * 1000) + 2 * 86_400_000
EVIL = "<!channel> =1+1\x1b[2J"
OPERATOR, READER = Asker("slack", "U1", "C1"), Asker("slack", "U2", "C1")
ACCESS = {"slack": {"channels": ["C1"], "operators": ["U1"]}}


@pytest.fixture
async def running_bot(tmp_path: Path) -> AsyncIterator[App]:
    """Give a bot with triggers of three days per day."""
    settings = site(tmp_path)
    sent = [
        events.trigger(name, NOON + timedelta(days=day), TriggerData(count=1000 + day))
        for day in range(3)
        for name in ("svc-a", "svc b", EVIL)
    ]
    await send(settings, *sent)
    async with running(settings) as opened:
        await consumed(opened, len(sent))
        await opened.desk.execute(PER_DAY)
        await opened.desk.builder.built()
        yield opened


def asking(opened: App) -> Bot:
    """Return a bot that people ask, two days after noon."""
    settings = Settings.model_validate({"access": ACCESS, "web": None})
    return Bot(
        opened.database,
        settings,
        now_ms=lambda: NOW_MS,
        behind=lambda: 0,
        carry_out=opened.desk.execute,
    )


async def say(opened: App, text: str, asker: Asker = READER) -> str:
    """Ask, and return the answer as plain text."""
    answer = await asking(opened).answer(Incoming(asker, text))
    assert answer is not None
    return plain(answer)


async def test_a_view_by_key_and_window(running_bot: App) -> None:
    """Newest first; days without midnight; a key of two words in quotes; whole days by words."""
    told = await say(running_bot, "view per_day svc-a")
    assert told.splitlines()[0] == "PER_DAY svc-a"
    assert [line.split()[:3] for line in told.splitlines()[2:5]] == [
        ["svc-a", "1,002", "2026-11-22"],
        ["svc-a", "1,001", "2026-11-21"],
        ["svc-a", "1,000", "2026-11-20"],
    ]
    told = await say(running_bot, 'view PER_DAY "svc b" yesterday')
    assert "1,001" in told
    assert "1,002" not in told
    assert told.count("svc b") == 2
    told = await say(running_bot, "view PER_DAY today")
    assert told.count("1,002") == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("view", "PER_DAY"),
        ("view PER_DAI", "did you mean PER_DAY?"),
        ("view PER_DAY svc-x", "has no row for svc-x; did you mean"),
        ("view TOTAL today", "TOTAL has no windows"),
        ("sql SHOW TABLES", "access: {slack: {operators: [U2]}}"),
    ],
)
async def test_readers_are_told_what_there_is(running_bot: App, text: str, said: str) -> None:
    """Mistakes name the nearest; statements are for operators."""
    await running_bot.desk.execute("CREATE TABLE TOTAL AS SELECT COUNT(*) FROM SERVICE_TRIGGER")
    await running_bot.desk.builder.built()
    assert said in await say(running_bot, text)


async def test_operators_carry_out_statements(running_bot: App) -> None:
    """With the quotes that phones make, in a code block, several at once."""
    told = await say(
        running_bot,
        "sql ```SELECT SERVICE_ID, SUM(COUNT) AS N FROM PER_DAY WHERE SERVICE_ID = ‘svc-a’"
        " GROUP BY 1; SHOW TABLES```",
        OPERATOR,
    )
    assert "3,003" in told
    assert "PER_DAY" in told
    made = "sql CREATE TABLE X AS SELECT COUNT(*) FROM SERVICE_CRASH"
    assert "is being built" in await say(running_bot, made, OPERATOR)
    assert "column 15: there is no view NO" in await say(
        running_bot, "/sql SELECT * FROM NO", OPERATOR
    )
    endless = "sql SELECT * FROM PER_DAY EMIT CHANGES"
    assert "has no end" in await say(running_bot, endless, OPERATOR)
    assert "write a statement" in await say(running_bot, "sql", OPERATOR)


async def test_hostile_names_are_harmless_in_a_chat(running_bot: App) -> None:
    """A service called like a mention calls nobody."""
    answer = await asking(running_bot).answer(Incoming(READER, "view PER_DAY today"))
    assert answer is not None
    sent = str(blocks(answer))
    assert "svc b" in sent
    assert "'type': 'broadcast'" not in sent


def test_a_table_fits_a_chat() -> None:
    """Few columns, short cells, no empty precision."""
    part = compact(
        [f"C{n}" for n in range(12)],
        [[None, 1234567, 0.5, 2.0, "x" * 99, "a\nb", "2026-11-20T14:30:00+01:00", 1, 2, 3, 4, 5]],
    )
    assert isinstance(part, Table)
    assert part.header[-1] == "… and 5 more"
    [row] = part.rows
    assert row == (
        *("–", "1,234,567", "0.5", "2", "x" * (CELL - 1) + "…", "a b", "2026-11-20 14:30"), "…",
    )  # fmt: skip
    assert len(row) == COLUMNS


def test_operators_are_named_one_by_one(tmp_path: Path) -> None:
    """`*` would let anybody drop views."""
    file = tmp_path / "pulsebot.yaml"
    file.write_text('access: {slack: {operators: ["*"]}}\n')
    with pytest.raises(InvalidConfig, match="name each operator"):
        load(file, {})
