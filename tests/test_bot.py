from pathlib import Path

import pytest

from pulsebot.bot import Bot
from pulsebot.chat.base import Asker, Incoming
from pulsebot.message import plain
from pulsebot.settings import Settings, load
from pulsebot.store.database import Database

NOW_MS = 1_795_435_200_000


def bot(database: Database, **settings: object) -> Bot:
    """Make a bot over a database, at noon UTC on 23 November 2026."""
    return Bot(database, Settings.model_validate(settings), now_ms=lambda: NOW_MS, behind=lambda: 0)


async def say(made: Bot, text: str, asker: Asker | None = None) -> str:
    """Ask, and return the answer as plain text."""
    answer = await made.answer(Incoming(asker or Asker("console", "me", ""), text))
    assert answer is not None
    return plain(answer)


async def test_nobody_is_answered_unless_listed(tmp_path: Path) -> None:
    """Default deny, with the very lines that would allow it."""
    stranger = Asker("slack", "U1", "C1")
    async with Database(tmp_path / "a.db") as database:
        said = await say(bot(database), "status", stranger)
    assert "may not answer you" in said
    assert "access: {slack: {users: [U1], channels: [C1]}}" in said


@pytest.mark.parametrize(
    "stranger", [Asker("slack", "U1", "C1"), Asker("telegram", "4711", "-1001234567890")]
)
async def test_the_lines_of_the_first_hint_work_as_they_stand(
    tmp_path: Path, stranger: Asker
) -> None:
    """Pasted into the settings, they let in who asked: Telegram's ids are numbers to YAML."""
    async with Database(tmp_path / "a.db") as database:
        hint = (await say(bot(database), "status", stranger)).splitlines()[-1]
        (tmp_path / "pulsebot.yaml").write_text(hint)
        access = load(tmp_path / "pulsebot.yaml", {}).access
        assert "What you can ask" in await say(bot(database, access=access), "help", stranger)


@pytest.mark.parametrize(
    "access", [{"users": ["U1"]}, {"channels": ["C1"]}, {"users": ["*"]}, {"channels": ["*"]}]
)
async def test_a_listed_user_or_channel_is_answered(
    tmp_path: Path, access: dict[str, list[str]]
) -> None:
    """A listed user anywhere, anybody in a listed channel."""
    async with Database(tmp_path / "a.db") as database:
        made = bot(database, access={"slack": access})
        assert "What you can ask" in await say(made, "help", Asker("slack", "U1", "C1"))


async def test_access_on_one_chat_gives_none_on_another(tmp_path: Path) -> None:
    """The same id on another platform is somebody else."""
    async with Database(tmp_path / "a.db") as database:
        made = bot(database, access={"slack": {"users": ["U1"]}})
        assert "may not answer" in await say(made, "help", Asker("telegram", "U1", "C1"))


async def test_a_misspelt_command_gets_the_nearest(tmp_path: Path) -> None:
    """People on call type fast."""
    async with Database(tmp_path / "a.db") as database:
        assert "did you mean /triggers" in await say(bot(database), "/trigers svc-a")
        assert "try /help" in await say(bot(database), "xyzzy")


async def test_slash_case_and_quotes_do_not_matter(tmp_path: Path) -> None:
    """A command with or without its slash, in any case; quotes hold words together."""
    async with Database(tmp_path / "a.db") as database:
        for text in ("/HELP", "help", "", "  Help  "):
            assert "What you can ask" in await say(bot(database), text)
        assert "no service called my service" in await say(bot(database), 'status "my service"')
        assert "no service called it's" in await say(bot(database), "status it's")


@pytest.mark.parametrize(
    ("asker", "settings", "zone"),
    [
        (Asker("console", "", ""), {"timezone": "Asia/Tokyo"}, "Asia/Tokyo"),
        (
            Asker("console", "", "C1"),
            {"chat_timezones": {"console:C1": "Asia/Kathmandu"}, "timezone": "Asia/Tokyo"},
            "Asia/Kathmandu",
        ),
        (
            Asker("console", "", "C1", zone="Europe/Berlin"),
            {"chat_timezones": {"console:C1": "Asia/Kathmandu"}},
            "Europe/Berlin",
        ),
        (Asker("console", "", "", zone="Not/AZone"), {"timezone": "Asia/Tokyo"}, "Asia/Tokyo"),
    ],
)
async def test_the_asker_s_zone_comes_first(
    tmp_path: Path, asker: Asker, settings: dict[str, object], zone: str
) -> None:
    """Profile, else the chat's setting, else the configured zone."""
    async with Database(tmp_path / "a.db") as database:
        assert f"({zone}" in await say(bot(database, **settings), "crashes today", asker)


async def test_a_failure_is_an_apology_with_an_id(tmp_path: Path) -> None:
    """People see no exception's text, only an id that stands in the log."""
    async with Database(tmp_path / "a.db") as database:
        await database.write(lambda c: c.execute("DROP TABLE instance"))
        said = await say(bot(database), "status")
    assert "Sorry" in said
    assert "instance" not in said
