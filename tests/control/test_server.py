import asyncio
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pulsebot import event as events
from pulsebot.control import client, socketfile
from pulsebot.errors import StoreError
from pulsebot.event import TriggerData
from pulsebot.materialize.answer import Answer, Changes, Piece
from pulsebot.settings import Settings
from pulsebot.terminal.sqlask import carried_out
from pulsebot.views.place import InvalidSql
from tests.materialize.site import PER_DAY, consumed, running, send, site
from tests.patience import PATIENCE_S

ASK = "; SELECT SERVICE_ID, COUNT FROM PER_DAY"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


async def asked(settings: Settings, text: str) -> list[Piece]:
    """Have statements carried out as the terminal does; return all that comes."""
    return [piece async for piece in carried_out(settings, text)]


async def test_statements_reach_the_bot_that_runs(tmp_path: Path) -> None:
    """The one writer of the database carries them out: created, built, asked, in one text."""
    settings = site(tmp_path)
    await send(settings, events.trigger("svc-a", NOON, TriggerData(count=3)))
    async with running(settings) as bot:
        await consumed(bot, 1)
        pieces = await asked(settings, PER_DAY + ASK)
    answers = [piece for piece in pieces if isinstance(piece, Answer)]
    assert [a.said for a in answers[:2]] == [
        "Table PER_DAY is being built from the log; DESCRIBE PER_DAY tells how far.",
        "Table PER_DAY is there.",
    ]
    assert answers[2].columns == ("SERVICE_ID", "COUNT")
    assert [tuple(row) for row in answers[2].rows] == [("svc-a", 3)]


async def test_the_same_statements_work_while_the_bot_is_stopped(tmp_path: Path) -> None:
    """Nobody listens, so the terminal takes the database itself, and leaves it free again."""
    settings = site(tmp_path)
    await send(settings, events.trigger("svc-a", NOON))
    async with running(settings) as bot:
        await consumed(bot, 1)
    for _ in range(2):
        pieces = await asked(settings, PER_DAY.replace("CREATE", "CREATE OR REPLACE"))
        assert Answer("Table PER_DAY is there.") in pieces
    [answer] = await asked(settings, "SELECT COUNT FROM PER_DAY")
    assert isinstance(answer, Answer)
    assert list(answer.rows) == [(1,)]


async def test_an_error_keeps_its_place_on_the_way(tmp_path: Path) -> None:
    """What is wrong is told as it is where the statement was given to the bot itself."""
    settings = site(tmp_path)
    async with running(settings):
        with pytest.raises(InvalidSql) as told:
            await asked(settings, "SHOW TABLES;\nSELECT X FROM NOTHING")
    assert (told.value.place.line, told.value.place.column) == (2, 15)
    assert "there is no view NOTHING" in told.value.message


async def test_nonsense_on_the_socket_is_refused(tmp_path: Path) -> None:
    """What is no request is answered by a fault; what has no end, by hanging up."""
    settings = site(tmp_path)
    async with running(settings):
        for said, answered in ((b"{}\n", b"fault"), (b"\xff\n", b"fault"), (b"x" * 2**20, b"")):
            sock = socketfile.connected(socketfile.beside(settings.database))
            reader, writer = await asyncio.open_unix_connection(sock=sock)
            writer.write(said)
            try:
                assert answered in await reader.read()
            except ConnectionError:
                assert not answered
            writer.close()
        [answer] = await asked(settings, "SHOW TABLES")
        assert isinstance(answer, Answer)


async def test_a_bot_that_ends_meanwhile_is_told(tmp_path: Path) -> None:
    """The terminal does not take silence for an answer."""
    settings = site(tmp_path)

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.close()

    listener = socketfile.bound(socketfile.beside(settings.database))
    server = await asyncio.start_unix_server(hang_up, sock=listener)
    async with server:
        connection = await client.connect(settings.database)
        assert connection
        with pytest.raises(StoreError, match="ended before it had answered"):
            [piece async for piece in connection.ask("SHOW TABLES")]


async def test_a_bot_without_a_socket_works(tmp_path: Path) -> None:
    """Something in the way of the socket is logged, and costs only `pulsebot sql`."""
    settings = site(tmp_path)
    socketfile.beside(settings.database).write_text("mine")
    await send(settings, events.trigger("svc-a", NOON))
    async with running(settings) as bot:
        await consumed(bot, 1)
        with pytest.raises(StoreError, match="another pulsebot is using it"):
            await asked(settings, "SHOW TABLES")


async def test_whoever_hangs_up_follows_no_longer(tmp_path: Path) -> None:
    """Changes go to the terminal until it is gone; then nothing is left of it."""
    settings = site(tmp_path)
    async with running(settings) as bot, asyncio.timeout(PATIENCE_S):
        told = carried_out(settings, "SELECT SERVICE_ID FROM SERVICE_TRIGGER EMIT CHANGES")
        async with aclosing(told):
            begun = await anext(told)
            await send(settings, events.trigger("svc-a", NOON))
            seen = await anext(told)
        assert isinstance(begun, Changes)
        assert isinstance(seen, Changes)
        assert list(seen.rows) == [["svc-a"]]
        while bot.desk.lookout.followers:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.02)
