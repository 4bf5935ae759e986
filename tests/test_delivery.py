import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from pulsebot import message as messages
from pulsebot.delivery import LONGEST_PAUSE_S, Delivery, pause_s
from pulsebot.errors import Permanent, Retryable
from pulsebot.message import Message
from pulsebot.settings import Delivery as DeliverySettings
from pulsebot.store import outbox
from pulsebot.store.database import Connection, Database
from pulsebot.store.outbox import Draft
from tests.fakes.chat import RecordingChat
from tests.fakes.clock import ManualClock
from tests.patience import PATIENCE_S

AGAIN = "You may have received this before: the connection broke while it was sent."


class Desk:
    """A delivery at work on a real database, with a recording chat and a clock set by hand."""

    def __init__(self, database: Database, chat: RecordingChat, settings: DeliverySettings) -> None:
        self.database = database
        self.chat = chat
        self.clock = ManualClock()
        self.delivery = Delivery(database, {chat.name: chat}, settings, self.clock)

    async def post(self, *ids: str, to: str = "rec:a", priority: int = 0) -> None:
        """Put notifications into the outbox; the id is the title."""
        drafts = [
            Draft(name, to, messages.encode(Message(name)), "event", priority) for name in ids
        ]
        await self.database.write(outbox.add, drafts, self.clock())
        self.delivery.wake()

    async def pass_time(self, seconds: float) -> None:
        """Let time pass and have delivery notice it."""
        self.clock.advance(seconds)
        self.delivery.wake()

    async def column(self, name: str, of: str) -> object:
        """Return a column of an outbox row by its id."""

        def work(connection: Connection) -> object:
            query = f"SELECT {name} FROM outbox WHERE id = ?"  # noqa: S608 - names from this file
            return connection.execute(query, (of,)).fetchone()[0]

        return await self.database.read(work)

    async def until(self, column: str, of: str, value: object) -> None:
        """Wait until a column of a row has a value."""
        async with asyncio.timeout(PATIENCE_S):
            while await self.column(column, of) != value:  # noqa: ASYNC110 - a database tells nobody
                await asyncio.sleep(0.01)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send while the context is entered."""
        task = asyncio.create_task(self.delivery.run())
        try:
            yield
        finally:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task


Open = Callable[..., Desk]


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Open]:
    """Give what makes a desk; one for each test."""
    async with Database(tmp_path / "pulsebot.db") as database:

        def make(chat: RecordingChat | None = None, **settings: object) -> Desk:
            return Desk(
                database, chat or RecordingChat(), DeliverySettings.model_validate(settings)
            )

        yield make


async def test_messages_to_one_destination_arrive_in_their_order(opened: Open) -> None:
    """A message that must wait for its retry holds back the later ones, not overtakes them."""
    desk = opened()
    desk.chat.troubles["a"].append(Retryable("busy", after=30))
    await desk.post("one", "two", "three")
    async with desk.running():
        await desk.until("error", "one", "busy")
        assert desk.chat.said == []
        await desk.pass_time(30)
        await desk.until("state", "three", "sent")
    assert desk.chat.titles() == ["one", "two", "three"]


async def test_a_destination_in_trouble_holds_up_no_other(opened: Open) -> None:
    """While one destination gives no answer at all, others get their messages."""
    desk = opened()
    desk.chat.stuck.add("a")
    await desk.post("to-a", to="rec:a")
    async with desk.running():
        await desk.until("state", "to-a", "sending")
        await desk.post("b1", "b2", to="rec:b")
        await desk.until("state", "b2", "sent")
        assert desk.chat.titles() == ["b1", "b2"]
        desk.chat.stuck.clear()
        await desk.chat.moved()
        await desk.until("state", "to-a", "sent")


async def test_alerts_overtake_digests(opened: Open) -> None:
    """What is more urgent is sent first, whenever it was put in."""
    desk = opened()
    await desk.post("digest-1", "digest-2", priority=1)
    await desk.post("alert", priority=0)
    async with desk.running():
        await desk.until("state", "digest-2", "sent")
    assert desk.chat.titles() == ["alert", "digest-1", "digest-2"]


async def test_too_many_requests_pauses_that_destination_alone(opened: Open) -> None:
    """After a 429 nothing goes there, not even what is more urgent, until its time has come."""
    desk = opened()
    desk.chat.troubles["a"].append(Retryable("slow down", after=60, whole_destination=True))
    await desk.post("digest", to="rec:a", priority=1)
    async with desk.running():
        await desk.until("error", "digest", "slow down")
        await desk.post("alert", to="rec:a", priority=0)
        await desk.post("elsewhere", to="rec:b")
        await desk.until("state", "elsewhere", "sent")
        await desk.pass_time(59)
        await desk.post("elsewhere-too", to="rec:b")
        await desk.until("state", "elsewhere-too", "sent")
        assert desk.chat.titles("a") == []
        await desk.pass_time(1)
        await desk.until("state", "digest", "sent")
    assert desk.chat.titles("a") == ["alert", "digest"]


@pytest.mark.parametrize("after", [1e9, 1e300, float("inf")])
async def test_a_wait_beyond_all_measure_lasts_no_longer_than_a_message(
    opened: Open, after: float
) -> None:
    """A broken gateway may ask for any wait: it ends no delivery and closes nothing for years."""
    desk = opened(max_age="1h")
    desk.chat.troubles["a"].append(Retryable("slow down", after=after, whole_destination=True))
    await desk.post("one")
    async with desk.running():
        await desk.until("error", "one", "slow down")
        await desk.post("elsewhere", to="rec:b")
        await desk.until("state", "elsewhere", "sent")
        await desk.pass_time(3600)
        await desk.until("state", "one", "sent")


async def test_messages_to_one_destination_keep_the_platforms_pace(opened: Open) -> None:
    """The next message to a destination waits for the chat's pace; other destinations do not."""
    desk = opened(RecordingChat(pace_s=3600))
    await desk.post("a1", "a2", to="rec:a")
    async with desk.running():
        await desk.until("state", "a1", "sent")
        for name in ("b", "c"):
            await desk.post(name, to=f"rec:{name}")
            await desk.until("state", name, "sent")
        assert await desk.column("state", "a2") == "pending"
    assert desk.chat.titles("a") == ["a1"]


async def test_pauses_double_up_to_a_limit(opened: Open) -> None:
    """Each failed attempt is followed by a longer pause, with the stated spread."""
    desk = opened()
    desk.chat.troubles["a"].extend([Retryable("down")] * 3)
    await desk.post("one")
    async with desk.running():
        for attempt, longest_s in ((1, 1), (2, 2), (3, 4)):
            await desk.until("attempts", "one", attempt)
            await desk.until("state", "one", "pending")
            due_ms = await desk.column("due_ms", "one")
            assert isinstance(due_ms, int)
            assert longest_s * 500 <= due_ms - desk.clock() <= longest_s * 1000
            await desk.pass_time(longest_s)
        await desk.until("state", "one", "sent")
    assert [pause_s(attempts, 1.0) for attempts in (10, 100)] == [LONGEST_PAUSE_S] * 2


async def test_gives_up_after_the_longest_age_with_the_reason(opened: Open) -> None:
    """A message that cannot be sent for `max_age` fails visibly and the admin is told why."""
    desk = opened(max_age=timedelta(hours=1), admin="rec:admin")
    desk.chat.troubles["a"].extend([Retryable("down", after=1)] * 2)
    await desk.post("old")
    async with desk.running():
        await desk.until("error", "old", "down")
        await desk.pass_time(3601)
        await desk.until("state", "old", "failed")
        await desk.until("state", "failed-old", "sent")
    assert await desk.column("error", "old") == "gave up after 1:00:00: down"
    (told,) = desk.chat.said
    assert told.target == "admin"
    assert "down" in messages.plain(told.message)
    assert "The message was: old" in messages.plain(told.message)


async def test_what_a_person_must_mend_is_told_at_once_and_waits(opened: Open) -> None:
    """A token that was revoked at night: the admin hears of it once, and no alert is lost."""
    desk = opened(admin="rec:admin")
    revoked = Retryable("the token was revoked", whole_destination=True, mend=True)
    desk.chat.troubles["a"].extend([revoked] * 2)
    await desk.post("first", "second")
    async with desk.running():
        async with asyncio.timeout(PATIENCE_S):
            while not desk.chat.said:  # noqa: ASYNC110 - a list tells nobody
                await asyncio.sleep(0.01)
        await desk.pass_time(LONGEST_PAUSE_S)
        await desk.until("attempts", "first", 2)
        await desk.pass_time(LONGEST_PAUSE_S)
        await desk.until("state", "second", "sent")
    assert [said.message.title for said in desk.chat.said] == [
        "could not deliver to rec:a", "first", "second",
    ]  # fmt: skip
    assert "wait until that is mended" in messages.plain(desk.chat.said[0].message)


async def test_a_refused_message_fails_and_the_next_one_goes_on(opened: Open) -> None:
    """A permanent error ends in a visible state and does not block the destination."""
    desk = opened()
    desk.chat.troubles["a"].append(Permanent("no such channel"))
    await desk.post("lost", "next")
    async with desk.running():
        await desk.until("state", "next", "sent")
    assert await desk.column("state", "lost") == "failed"
    assert await desk.column("error", "lost") == "no such channel"
    assert desk.delivery.counters.failed == {"rec:a": 1}


async def test_an_admin_that_cannot_be_told_is_not_told_about_that(opened: Open) -> None:
    """A failure of the admin receiver makes no further messages."""
    desk = opened(admin="rec:admin")
    desk.chat.troubles["a"].append(Permanent("gone"))
    desk.chat.troubles["admin"].append(Permanent("gone as well"))
    await desk.post("lost")
    async with desk.running():
        await desk.until("state", "lost", "failed")
        await desk.until("state", "failed-lost", "failed")
        rows = await desk.database.read(
            lambda c: c.execute("SELECT count(*) FROM outbox").fetchone()
        )
    assert rows == (2,)


async def test_follows_a_destination_that_has_moved(opened: Open) -> None:
    """The message and its successors go to the new place; the log tells what to mend."""
    desk = opened()
    desk.chat.troubles["a"].append(Permanent("moved", moved_to="new"))
    await desk.post("one", "two")
    with capture_logs() as logs:
        async with desk.running():
            await desk.until("state", "two", "sent")
    assert ("rec:a", "moved") in [(line.get("receiver"), line.get("why")) for line in logs]
    assert desk.chat.titles("new") == ["one", "two"]
    assert await desk.column("ref_target", "one") == "new"


async def test_a_destination_that_moves_to_where_it_is_fails(opened: Open) -> None:
    """A platform that contradicts itself is not asked for ever; the next message goes on."""
    desk = opened()
    desk.chat.troubles["a"].append(Permanent("moved", moved_to="new"))
    desk.chat.troubles["new"].append(Permanent("moved", moved_to="new"))
    await desk.post("one", "two")
    async with desk.running():
        await desk.until("state", "two", "sent")
    assert await desk.column("state", "one") == "failed"


async def test_what_only_the_markup_prevented_is_sent_as_plain_text(opened: Open) -> None:
    """A refused markup costs the looks, never the message."""
    desk = opened()
    desk.chat.troubles["a"].append(Permanent("bad blocks", unformatted=True))
    await desk.post("one")
    async with desk.running():
        await desk.until("state", "one", "sent")
    assert [said.formatted for said in desk.chat.said] == [False]


async def test_what_is_refused_even_as_plain_text_fails(opened: Open) -> None:
    """There is no third attempt."""
    desk = opened()
    desk.chat.troubles["a"].extend([Permanent("bad blocks", unformatted=True)] * 2)
    await desk.post("one")
    async with desk.running():
        await desk.until("state", "one", "failed")
    assert desk.chat.attempts == ["a", "a"]


async def test_a_message_in_doubt_is_sent_again_with_a_word_about_it(opened: Open) -> None:
    """With `uncertain: resend` the second copy says that it may be one, under the same name."""
    desk = opened(uncertain="resend")
    desk.chat.troubles["a"].append(Retryable("broke", after=1, sent_unknown=True))
    await desk.post("one")
    async with desk.running():
        await desk.until("state", "one", "uncertain")
        await desk.pass_time(1)
        await desk.until("state", "one", "sent")
    (said,) = desk.chat.said
    assert AGAIN in messages.plain(said.message)
    assert said.notification == "one"
    assert await desk.column("uncertain", "one") == 1


async def test_a_doubt_outlives_an_attempt_that_surely_failed(opened: Open) -> None:
    """After one attempt that may have arrived, each further copy says so, whatever came between."""
    desk = opened(uncertain="resend")
    desk.chat.troubles["a"] += [
        Retryable("broke", after=1, sent_unknown=True),
        Retryable("slow down", after=1, whole_destination=True),
    ]
    await desk.post("one")
    async with desk.running():
        await desk.until("error", "one", "broke")
        await desk.pass_time(1)
        await desk.until("error", "one", "slow down")
        await desk.pass_time(1)
        await desk.until("state", "one", "sent")
    (said,) = desk.chat.said
    assert AGAIN in messages.plain(said.message)


async def test_a_message_in_doubt_is_dropped_where_that_is_wanted(opened: Open) -> None:
    """With `uncertain: drop` there is never a second copy; the row says why."""
    desk = opened(uncertain="drop")
    desk.chat.troubles["a"].append(Retryable("broke", after=1, sent_unknown=True))
    await desk.post("one", "two")
    async with desk.running():
        await desk.until("state", "one", "uncertain")
        await desk.pass_time(1)
        await desk.until("state", "two", "sent")
    assert desk.chat.titles() == ["two"]
    assert await desk.column("error", "one") == "may have arrived before a crash; not sent again"


async def test_what_a_dead_process_was_sending_is_in_doubt(opened: Open) -> None:
    """A row left in `sending` becomes uncertain at the start, and only that."""
    desk = opened()
    await desk.post("cut-off", "waiting")
    await desk.database.write(outbox.begin, [1])
    assert await desk.delivery.recover() == 1
    async with desk.running():
        await desk.until("state", "waiting", "sent")
    first, second = desk.chat.said
    assert AGAIN in messages.plain(first.message)
    assert AGAIN not in messages.plain(second.message)


async def test_a_receiver_without_a_chat_fails_by_name(opened: Open) -> None:
    """A destination that the settings no longer have is not waited for."""
    desk = opened()
    await desk.post("lost", to="pager:me")
    async with desk.running():
        await desk.until("state", "lost", "failed")
    assert await desk.column("error", "lost") == "no chat is configured for pager:me"


async def test_stopping_finishes_what_is_under_way_and_begins_nothing(opened: Open) -> None:
    """A stop between the platform's accept and our mark leaves nothing in doubt."""
    desk = opened()
    desk.chat.stuck.add("a")
    await desk.post("under way", "next")
    sending = asyncio.create_task(desk.delivery.run())
    await desk.until("state", "under way", "sending")
    desk.delivery.stop()
    desk.chat.stuck.clear()
    await desk.chat.moved()
    await asyncio.wait_for(sending, PATIENCE_S)
    assert await desk.column("state", "under way") == "sent"
    assert await desk.column("state", "next") == "pending"


@pytest.mark.parametrize("turns", range(6))
async def test_a_cancellation_is_never_lost(opened: Open, turns: int) -> None:
    """Cancelled in whatever turn of the loop after a wake, delivery ends."""
    desk = opened()
    sending = asyncio.create_task(desk.delivery.run())
    await desk.post("one")
    await desk.until("state", "one", "sent")
    await desk.delivery.idle()
    desk.delivery.wake()
    for _ in range(turns):
        await asyncio.sleep(0)
    sending.cancel()
    done, _ = await asyncio.wait([sending], timeout=PATIENCE_S)
    desk.delivery.stop()
    assert done


async def test_a_chat_that_breaks_its_contract_ends_nothing(opened: Open) -> None:
    """An error of ours in one chat costs that message a retry, and no other anything."""
    desk = opened()
    desk.chat.troubles["a"].append(ZeroDivisionError())
    await desk.post("one", to="rec:a")
    await desk.post("other", to="rec:b")
    async with desk.running():
        await desk.until("error", "one", "pulsebot failed on it")
        await desk.until("state", "other", "sent")
        await desk.pass_time(2)
        await desk.until("state", "one", "sent")


async def test_many_messages_at_once_arrive_once_each_and_in_order(opened: Open) -> None:
    """Looking for more to send while sends end never takes one for unsent."""
    desk = opened()
    names = [f"{number:03}" for number in range(150)]
    for lane in "abcd":
        await desk.post(*(lane + name for name in names), to=f"rec:{lane}")
    async with desk.running():
        await asyncio.wait_for(desk.delivery.idle(), PATIENCE_S)
    for lane in "abcd":
        assert desk.chat.titles(lane) == [lane + name for name in names]


async def test_is_idle_when_only_what_must_wait_is_left(opened: Open) -> None:
    """Idle means: all that could go now has gone; a retry in an hour does not count."""
    desk = opened()
    desk.chat.troubles["a"].append(Retryable("busy", after=3600))
    await desk.post("later", to="rec:a")
    await desk.post("b1", "b2", to="rec:b")
    async with desk.running():
        await asyncio.wait_for(desk.delivery.idle(), PATIENCE_S)
        assert desk.chat.titles() == ["b1", "b2"]


async def test_a_mark_that_found_no_room_is_written_later(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the database cannot be written nothing is sent twice, and nothing ends."""
    monkeypatch.setattr("pulsebot.delivery.RETRY_S", 0.01)
    desk = opened()
    desk.chat.stuck.add("a")
    await desk.post("one", to="rec:a")
    await desk.database.write(lambda c: c.execute("PRAGMA busy_timeout = 0").fetchall())
    async with desk.running():
        await desk.until("state", "one", "sending")
        with closing(sqlite3.connect(desk.database.path, isolation_level=None)) as intruder:
            intruder.execute("BEGIN IMMEDIATE")
            desk.chat.stuck.clear()
            await desk.chat.moved()
            await desk.chat.until(lambda: desk.chat.titles() == ["one"])
            desk.delivery.wake()
            await desk.until("state", "one", "sending")
        await desk.until("state", "one", "sent")
    assert desk.chat.titles() == ["one"]


async def test_what_a_dead_process_left_is_marked_once_there_is_room(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start while the database cannot be written waits for it, and then goes on."""
    monkeypatch.setattr("pulsebot.delivery.RETRY_S", 0.01)
    desk = opened()
    await desk.post("one", to="rec:a")
    await desk.database.write(lambda c: c.execute("UPDATE outbox SET state = 'sending'"))
    await desk.database.write(lambda c: c.execute("PRAGMA busy_timeout = 0").fetchall())
    with closing(sqlite3.connect(desk.database.path, isolation_level=None)) as intruder:
        intruder.execute("BEGIN IMMEDIATE")
        recovering = asyncio.create_task(desk.delivery.recover())
        await asyncio.wait([recovering], timeout=0.1)
        assert not recovering.done()
    assert await recovering == 1
    assert await desk.column("state", "one") == "uncertain"


async def test_the_same_notification_is_sent_once(opened: Open) -> None:
    """Deciding the same again puts nothing into the outbox."""
    desk = opened()
    await desk.post("one")
    async with desk.running():
        await desk.until("state", "one", "sent")
        await desk.post("one", "two")
        await desk.until("state", "two", "sent")
    assert desk.chat.titles() == ["one", "two"]
