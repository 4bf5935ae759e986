"""Delivery: sends what is due in the outbox, and notes what became of it.

One worker for each receiver keeps that receiver's order and limits without holding up any
other. A row is marked `sending` before the request and `sent` after the answer: a crash in
between is the only way a message can arrive twice, and such a row is `uncertain` afterwards.
This module must not know any platform; chats raise Retryable or Permanent and it decides.
"""

import asyncio
import contextlib
import random
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Concatenate, ParamSpec, TypeVar

import msgspec
import structlog

from pulsebot import message as messages
from pulsebot.chat.base import Chat, Reference
from pulsebot.errors import Permanent, Retryable
from pulsebot.message import Message, Note, Text
from pulsebot.settings import Delivery as DeliverySettings
from pulsebot.store import outbox
from pulsebot.store.database import Connection, Database
from pulsebot.store.outbox import Draft, Row

P = ParamSpec("P")
T = TypeVar("T")

log = structlog.get_logger(__name__)

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 300.0
SEND_LIMIT_S = 60.0
POLL_S = 1.0
IDLE_POLL_S = 0.02
RETRY_S = 2.0
"""Pause before a mark that the database could not take is written again."""


@dataclass(slots=True)
class Counters:
    """What this process has sent since it started, by receiver."""

    sent: dict[str, int] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)
    retried: dict[str, int] = field(default_factory=dict)

    @staticmethod
    def bump(counts: dict[str, int], receiver: str) -> None:
        """Count one more for a receiver."""
        counts[receiver] = counts.get(receiver, 0) + 1


def pause_s(attempts: int, jitter: float) -> float:
    """Return the pause after the n-th failed attempt: doubling, capped, spread by `jitter` 0-1."""
    longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(attempts - 1, 16))
    return longest * (0.5 + jitter / 2)


class Delivery:
    """Sends the outbox of one database through the chats, until cancelled."""

    def __init__(
        self,
        database: Database,
        chats: Mapping[str, Chat],
        settings: DeliverySettings,
        now_ms: Callable[[], int],
    ) -> None:
        self.counters = Counters()
        self.paused: dict[str, str] = {}
        self._database = database
        self._chats = chats
        self._settings = settings
        self._now_ms = now_ms
        self._wake = asyncio.Event()
        self._stopping = False
        self._busy: set[str] = set()
        self._moved: dict[str, str] = {}
        self._closed_until_ms: dict[str, int] = {}
        self._max_age_ms = settings.max_age // timedelta(milliseconds=1)

    def wake(self) -> None:
        """Look into the outbox now."""
        self._wake.set()

    async def recover(self) -> int:
        """Mark what a dead process left in sending, however long the database has no room for it.

        Call once before `run`.
        """
        return await self._note(outbox.recover)

    async def run(self) -> None:
        """Send until `stop`, and finish what is under way then.

        Cancelling gives up the sends under way; after the next start they are uncertain.
        """
        async with asyncio.TaskGroup() as workers:
            while not self._stopping:
                self._wake.clear()
                for row in await self._due():
                    self._busy.add(row.receiver)
                    workers.create_task(self._work(row))
                # Not wait_for: Python 3.11's can lose a cancellation that meets a wake.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):
                        await self._wake.wait()

    async def idle(self) -> None:
        """Return when nothing is under way or due; what must be sent later does not count."""
        while self._busy or await self._due() or self._busy:  # noqa: ASYNC110 - time makes rows due
            await asyncio.sleep(IDLE_POLL_S)

    def stop(self) -> None:
        """Let `run` end; begin nothing more."""
        self._stopping = True
        self._wake.set()

    async def _due(self) -> list[Row]:
        now_ms = self._now_ms()
        busy_before = frozenset(self._busy)  # what they send may look unsent in what we read
        heads = await self._database.read(outbox.heads)
        return [
            row
            for row in heads
            if row.due_ms <= now_ms
            and row.receiver not in busy_before | self._busy
            and self._closed_until_ms.get(row.receiver, 0) <= now_ms
        ]

    async def _work(self, row: Row) -> None:
        try:
            await self._deliver(row)
            await asyncio.sleep(self._pace_s(row.receiver))
        finally:
            self._busy.discard(row.receiver)
            self._wake.set()

    async def _deliver(self, row: Row) -> None:
        if row.uncertain and self._settings.uncertain == "drop":
            await self._give_up(row, "may have arrived before a crash; not sent again")
            return
        chat, target = self._address(row.receiver)
        if chat is None:
            await self._give_up(row, f"no chat is configured for {row.receiver}")
            return
        await self._note(outbox.begin, [row.seq])
        try:
            async with asyncio.timeout(SEND_LIMIT_S):
                reference = await chat.send(
                    target, _content(row), formatted=row.formatted, notification=row.id
                )
        except Permanent as error:
            await self._refused(row, error)
        except Retryable as error:
            await self._failed(row, error)
        except TimeoutError:
            await self._failed(row, Retryable("no answer in time", sent_unknown=True))
        except Exception:
            log.exception("a chat broke its contract", receiver=row.receiver, id=row.id)
            await self._failed(row, Retryable("pulsebot failed on it", sent_unknown=True))
        else:
            await self._sent(row, reference)

    def _address(self, receiver: str) -> tuple[Chat | None, str]:
        chat, _, target = self._moved.get(receiver, receiver).partition(":")
        return self._chats.get(chat), target

    def _pace_s(self, receiver: str) -> float:
        chat, _ = self._address(receiver)
        return chat.pace_s if chat else 0.0

    async def _sent(self, row: Row, reference: Reference) -> None:
        await self._note(outbox.sent, row.seq, self._now_ms(), (reference.target, reference.id))
        Counters.bump(self.counters.sent, row.receiver)
        self.paused.pop(row.receiver, None)

    async def _failed(self, row: Row, error: Retryable) -> None:
        now_ms = self._now_ms()
        if now_ms - row.created_ms > self._max_age_ms:
            await self._give_up(row, f"gave up after {self._settings.max_age}: {error.reason}")
            return
        after_s = error.after
        if after_s is None:
            after_s = pause_s(row.attempts + 1, random.random())  # noqa: S311 - spreads load only
        after_s = min(after_s, self._max_age_ms / 1000)  # whatever they ask: no age outlives that
        due_ms = now_ms + int(after_s * 1000)
        if error.whole_destination:
            self._closed_until_ms[row.receiver] = due_ms
        again = outbox.retry_uncertain if error.sent_unknown else outbox.retry
        await self._note(again, row.seq, due_ms, error.reason)
        if error.mend and self.paused.get(row.receiver) != error.reason:
            await self._note(outbox.add, self._notice(row, error.reason, waits=True), now_ms)
        Counters.bump(self.counters.retried, row.receiver)
        self.paused[row.receiver] = error.reason
        log.warning("will send again", receiver=row.receiver, after_s=after_s, why=error.reason)

    async def _refused(self, row: Row, error: Permanent) -> None:
        moved = f"{row.receiver.partition(':')[0]}:{error.moved_to}"
        if error.moved_to and self._moved.get(row.receiver) != moved:  # else it leads nowhere
            self._moved[row.receiver] = moved
            log.warning("a destination has moved", receiver=row.receiver, why=error.reason)
            await self._note(outbox.retry, row.seq, self._now_ms(), error.reason)
        elif error.unformatted and row.formatted:
            await self._note(outbox.retry_plain, row.seq, error.reason)
        else:
            await self._give_up(row, error.reason)

    async def _give_up(self, row: Row, reason: str) -> None:
        log.error("not sent", receiver=row.receiver, id=row.id, why=reason)
        notice = self._notice(row, reason)

        def work(connection: Connection) -> None:
            outbox.give_up(connection, row.seq, reason)
            outbox.add(connection, notice, self._now_ms())

        await self._note(work)
        Counters.bump(self.counters.failed, row.receiver)
        self.paused[row.receiver] = reason

    async def _note(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Write a mark, however long the database has no room for it.

        What was sent must never look unsent to this process: it would be sent again.
        """
        while True:
            try:
                return await self._database.write(work, *args, **kwargs)
            except sqlite3.OperationalError as error:
                log.error("cannot note a message's state", error=str(error), pause_s=RETRY_S)  # noqa: TRY400 - the cause is outside the program
                await asyncio.sleep(RETRY_S)

    def _notice(self, row: Row, reason: str, *, waits: bool = False) -> list[Draft]:
        """Tell the admin receiver, unless it is the one that failed."""
        admin = self._settings.admin
        if admin is None or admin == row.receiver or row.origin == "admin":
            return []
        parts = [
            Text(f"Reason: {reason}"),
            Text(f"The message was: {messages.decode(row.message).title}"),
        ]
        if waits:
            parts.append(
                Text(f"Messages wait until that is mended, for {self._settings.max_age} at most.")
            )
        notice = Message(f"could not deliver to {row.receiver}", tuple(parts), "error")
        name = f"{'waits' if waits else 'failed'}-{row.id}"
        return [Draft(name, admin, messages.encode(notice), "admin", 0)]


def _content(row: Row) -> Message:
    said = messages.decode(row.message)
    if not row.uncertain:
        return said
    note = Note("You may have received this before: the connection broke while it was sent.")
    return msgspec.structs.replace(said, parts=(*said.parts, note))
