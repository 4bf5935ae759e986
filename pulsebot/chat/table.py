"""The one table of chats: which there are, and how each is made from the settings.

A new chat is its own file or folder and one line here. A platform's library is imported only
where the settings name it. Nothing is connected here: a chat connects when it is entered.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pulsebot.chat.base import Chat, Handler
from pulsebot.settings import Settings


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the app gives to its chats.

    `commands` maps each command's name to one line of help, in the order of menus. `services`
    names the known services, for completion. `on_exit` is called when the person at the
    console ends the session.
    """

    handler: Handler
    commands: Mapping[str, str]
    services: Callable[[], Iterable[str]] = tuple
    on_exit: Callable[[], None] = lambda: None


def _slack(settings: Settings, around: Surroundings) -> Chat | None:
    if not settings.slack:
        return None
    from pulsebot.chat.slack.chat import SlackChat  # noqa: PLC0415 - only where it is used

    return SlackChat(settings.slack, around.handler, tuple(around.commands))


def _telegram(settings: Settings, around: Surroundings) -> Chat | None:
    if not settings.telegram:
        return None
    from pulsebot.chat.telegram.chat import TelegramChat  # noqa: PLC0415 - only where it is used

    return TelegramChat(settings.telegram, around.handler, around.commands)


def _webhook(settings: Settings, _: Surroundings) -> Chat | None:
    if not settings.webhooks:
        return None
    from pulsebot.chat.webhook import WebhookChat  # noqa: PLC0415 - only where it is used

    return WebhookChat(settings.webhooks)


def _console(settings: Settings, around: Surroundings) -> Chat | None:
    if not settings.console:
        return None
    from pulsebot.chat.console import ConsoleChat  # noqa: PLC0415 - only where it is used

    def words(typed: Sequence[str]) -> Iterable[str]:
        return around.commands if len(typed) == 1 else around.services()

    zone = settings.chat_timezones.get("console:console", settings.timezone)
    return ConsoleChat(around.handler, zone=zone, words=words, on_exit=around.on_exit)


CHATS: Mapping[str, Callable[[Settings, Surroundings], Chat | None]] = {
    "slack": _slack,
    "telegram": _telegram,
    "webhook": _webhook,
    "console": _console,
}


def open_chats(settings: Settings, around: Surroundings) -> list[Chat]:
    """Make every chat that the settings ask for, in the order of the table.

    Raises InvalidInput where a chat cannot work with its settings.
    """
    made = (make(settings, around) for make in CHATS.values())
    return [chat for chat in made if chat]
