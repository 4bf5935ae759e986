"""Which chats the settings bring."""

import pytest

from pulsebot.chat.base import Incoming
from pulsebot.chat.table import CHATS, Surroundings, open_chats
from pulsebot.settings import Settings

EVERY = {
    "slack": {"slack": {"bot_token": "xoxb-1", "app_token": "xapp-1"}},
    "telegram": {"telegram": {"token": "1:x"}},
    "webhook": {"webhooks": {"ci": {"url": "https://example.org/"}}},
    "console": {"console": True},
}


async def silent(_: Incoming) -> None:
    """Answer nothing."""


AROUND = Surroundings(silent, {"status": "What runs"})


def test_without_settings_there_is_no_chat() -> None:
    """Nothing is switched on by itself."""
    assert open_chats(Settings(), AROUND) == []


@pytest.mark.parametrize("name", CHATS)
def test_each_chat_is_switched_on_by_its_own_settings(name: str) -> None:
    """One section, one chat; its name is the one that receivers are written with."""
    chats = open_chats(Settings.model_validate(EVERY[name]), AROUND)
    assert [chat.name for chat in chats] == [name]


def test_all_of_them_can_be_on() -> None:
    """In the order of the table."""
    everything = {key: value for part in EVERY.values() for key, value in part.items()}
    chats = open_chats(Settings.model_validate(everything), AROUND)
    assert [chat.name for chat in chats] == list(CHATS)
