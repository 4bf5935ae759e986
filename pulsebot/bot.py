"""The bot: who may ask, what they mean, and the answer.

Every chat hands its incoming commands to `Bot.answer`; so does the terminal. This module must
not know any platform, nor write anything.
"""

import shlex
import uuid
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from zoneinfo import ZoneInfo

import structlog

from pulsebot.chat.base import Asker, Incoming
from pulsebot.civil import zone_of
from pulsebot.commands.base import CarryOut, Question, fine_since_ms
from pulsebot.commands.table import COMMANDS
from pulsebot.errors import InvalidInput
from pulsebot.message import Message, Text
from pulsebot.settings import Access, Settings
from pulsebot.store.database import ReadOnly

log = structlog.get_logger(__name__)

TRUSTED = frozenset({"console"})
"""Chats whose every user is answered: they already sit at this machine."""


class Bot:
    """Answers commands from one database; `behind` tells how many records are unread.

    `carry_out` is what operators' statements go to; without it they are refused.
    """

    def __init__(
        self,
        database: ReadOnly,
        settings: Settings,
        *,
        now_ms: Callable[[], int],
        behind: Callable[[], int],
        carry_out: CarryOut | None = None,
    ) -> None:
        self._database = database
        self._access: Mapping[str, Access] = dict(settings.access.items())
        self._zone = zone_of(settings.timezone)
        self._minute_days = settings.retention.minute_counts
        self._chat_zones = {who: zone_of(name) for who, name in settings.chat_timezones.items()}
        self._now_ms = now_ms
        self._behind = behind
        self._carry_out = carry_out

    async def answer(self, incoming: Incoming) -> Message | None:
        """Answer one command. Never raises: what goes wrong becomes an apology with an id."""
        asker = incoming.asker
        if not self._allowed(asker):
            log.warning("not answered: not on the access list", chat=asker.chat, user=asker.user)
            return _not_allowed(asker)
        try:
            return await self.run(incoming)
        except InvalidInput as error:
            return Message(str(error), severity="warning")
        except Exception:
            reference = uuid.uuid4().hex[:8]
            log.exception("a command failed", reference=reference, text=incoming.text[:200])
            return Message(
                "Sorry, I could not answer that.",
                (Text(f"The details are in my log under {reference}."),),
                "error",
            )

    async def run(self, incoming: Incoming) -> Message:
        """Answer a command of somebody who may ask; raises InvalidInput."""
        name, *words = _words(incoming.text) or ["help"]
        command = COMMANDS.get(name.removeprefix("/").casefold())
        if command is None:
            raise InvalidInput(_unknown(name))
        now_ms = self._now_ms()
        question = Question(
            tuple(words),
            now_ms,
            self._zone_of(incoming.asker),
            behind=self._behind(),
            fine_since_ms=fine_since_ms(now_ms, self._minute_days),
            text=incoming.text.strip().partition(name)[2].strip(),
        )
        if command.perform is not None and self._carry_out is not None:
            asker = incoming.asker
            self._must_operate(asker)
            log.info("carried out", chat=asker.chat, user=asker.user, text=question.text[:500])
            return await command.perform(self._carry_out, question)
        return await self._database.read(command.answer, question)

    def _must_operate(self, asker: Asker) -> None:
        if not self._operates(asker):
            raise InvalidInput(
                "only operators may do that; whoever runs me can make you one in pulsebot.yaml:"
                f"\naccess: {{{asker.chat}: {{operators: [{asker.user}]}}}}"
            )

    def _operates(self, asker: Asker) -> bool:
        access = self._access.get(asker.chat, Access())
        return asker.chat in TRUSTED or asker.user in access.operators

    def _allowed(self, asker: Asker) -> bool:
        if self._operates(asker):
            return True
        access = self._access.get(asker.chat, Access())
        users, channels = access.users, access.channels
        return "*" in users or "*" in channels or asker.user in users or asker.channel in channels

    def _zone_of(self, asker: Asker) -> ZoneInfo:
        """Return the asker's own zone, else the chat's setting, else the configured one."""
        if asker.zone:
            try:
                return zone_of(asker.zone)
            except InvalidInput:
                log.warning("a chat told a zone that does not exist", zone=asker.zone)
        for who in (asker.user, asker.channel):
            if zone := self._chat_zones.get(f"{asker.chat}:{who}"):
                return zone
        return self._zone


def _words(text: str) -> list[str]:
    """Split a command; quotes hold a name with spaces together, a stray one is a letter."""
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _unknown(name: str) -> str:
    close = get_close_matches(name.removeprefix("/").casefold(), COMMANDS, n=2, cutoff=0.5)
    hint = f"did you mean {' or '.join(f'/{c}' for c in close)}?" if close else "try /help"
    return f"there is no command {name[:50]}; {hint}"


def _not_allowed(asker: Asker) -> Message:
    place = f"access: {{{asker.chat}: {{users: [{asker.user}], channels: [{asker.channel}]}}}}"
    return Message(
        "I may not answer you here yet.",
        (Text(f"Whoever runs me can allow it in pulsebot.yaml, by user or by channel:\n{place}"),),
        "warning",
    )
