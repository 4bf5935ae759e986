"""Telegram, through real HTTP against the loopback Bot API."""

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from telegram import Bot, Update

from pulsebot.chat.base import Handler, Incoming
from pulsebot.chat.telegram.chat import WEBHOOK_PATH, TelegramChat
from pulsebot.chat.telegram.connection import Connection, Hook
from pulsebot.chat.telegram.inbox import REMEMBERED
from pulsebot.errors import InvalidInput, Permanent, Retryable
from pulsebot.message import Code, Fields, Link, Message, Note, Table, Text
from pulsebot.settings import Telegram
from tests.chat.serving import serving
from tests.fakes.telegram import TOKEN, FakeTelegram, Fault, Room
from tests.patience import PATIENCE_S

GROUP, PERSON, FORUM, OLD, KICKED = -100500, 7, -100600, -5, -6
COMMANDS = {"status": "What runs", "triggers": "How often a service was triggered"}
HELLO = Message("hello")


def bot_settings(server: FakeTelegram, **more: object) -> Telegram:
    """Point a bot at the loopback server."""
    values = {"token": SecretStr(TOKEN), "base_url": server.base_url, "chats": {"oncall": GROUP}}
    return Telegram.model_validate(values | more)


async def echo(incoming: Incoming) -> Message:
    """Answer with the command as it came in."""
    return Message(f"[{incoming.text}]")


@pytest.fixture
async def server() -> AsyncIterator[FakeTelegram]:
    """Run a Bot API with a few chats."""
    async with FakeTelegram() as fake:
        fake.rooms = {
            GROUP: Room(username="@ops"),
            PERSON: Room(type="private"),
            FORUM: Room(topics=(45,)),
            OLD: Room(type="group", moved_to=GROUP),
            KICKED: Room(kicked=True),
        }
        yield fake


@asynccontextmanager
async def listening(server: FakeTelegram, handler: Handler = echo) -> AsyncIterator[TelegramChat]:
    """Run a bot that polls the server already."""
    async with TelegramChat(bot_settings(server), handler, COMMANDS) as chat:
        await server.until(lambda fake: "getUpdates" in fake.calls)
        yield chat


async def refused(server: FakeTelegram, target: str, fault: Fault | None = None) -> Exception:
    """Send once and return the error, which is one of ours."""
    chat = TelegramChat(bot_settings(server), echo, COMMANDS)
    if fault:
        server.fail("sendMessage", fault)
    async with chat:
        with pytest.raises((Retryable, Permanent)) as caught:
            await chat.send(target, HELLO)
    return caught.value


@pytest.mark.parametrize("target", ["oncall", str(GROUP), "@ops"])
async def test_a_target_is_a_name_an_id_or_a_channel(server: FakeTelegram, target: str) -> None:
    """All three lead to the same chat, and the reference names it by its id."""
    async with listening(server) as chat:
        reference = await chat.send(target, HELLO)
    assert [sent.chat for sent in server.sent] == [GROUP]
    assert (reference.target, reference.id) == (str(GROUP), str(server.sent[0].id))


async def test_a_topic_of_a_forum_can_be_named(server: FakeTelegram) -> None:
    """`id/topic` goes into that topic."""
    async with listening(server) as chat:
        reference = await chat.send(f"{FORUM}/45", HELLO)
    assert server.sent[0].topic == 45
    assert reference.target == f"{FORUM}/45"


async def test_every_part_is_rendered_as_html(server: FakeTelegram) -> None:
    """Titles and labels are bold, tables and stacks preformatted, and nothing is interpreted."""
    message = Message(
        "svc <a> & co crashed",
        (
            Text("see <b>this</b>"),
            Fields((("env", "prod"),)),
            Table(("service", "count"), (("svc-a", "5"),)),
            Code("Traceback\n  <module>"),
            Link("runbook", "https://wiki.example/?a=1&b=2"),
            Note("today"),
        ),
        "critical",
    )
    async with listening(server) as chat:
        await chat.send("oncall", message)
    sent = server.sent[0]
    assert sent.text.splitlines() == [
        *("🔴 svc <a> & co crashed", "see <b>this</b>", "env: prod"),
        *("service  count", "svc-a        5", "Traceback", "  <module>", "runbook", "today"),
    ]
    assert [entity.tag for entity in sent.entities] == ["b", "b", "pre", "pre", "a", "i"]
    assert sent.entities[4].url == "https://wiki.example/?a=1&b=2"


async def test_unformatted_is_plain_text(server: FakeTelegram) -> None:
    """Without formatting no parse mode is given, and links show their address."""
    async with listening(server) as chat:
        await chat.send("oncall", Message("a < b", (Link("log", "http://x/"),)), formatted=False)
    assert server.sent[0].parse_mode is None
    assert server.sent[0].text == "a < b\nlog: http://x/"


async def test_a_long_stack_is_shortened_not_refused(server: FakeTelegram) -> None:
    """What does not fit is cut from the stack; title and small print stay."""
    message = Message("crash", (Code("<&>" * 5_000), Note("the end")))
    async with listening(server) as chat:
        await chat.send("oncall", message)
        await chat.send("oncall", message, formatted=False)
    for sent in server.sent:
        assert sent.text.startswith("crash\n<&>")
        assert sent.text.endswith("…\nthe end")
        assert len(sent.text) == 4096


FAULTS = [
    (
        Fault(429, "Too Many Requests", {"retry_after": 7}),
        {"after": 7.0, "whole_destination": True, "sent_unknown": False},
    ),
    (Fault(429, "x", {"retry_after": -3}), {"after": 0.0, "whole_destination": True}),
    (Fault(429, "x", {"retry_after": "soon"}), {"after": None, "whole_destination": True}),
    (Fault(500), {"after": None, "whole_destination": False, "sent_unknown": False}),
    (Fault(502, "Bad Gateway"), {"sent_unknown": False}),
    (Fault(drop="before"), {"sent_unknown": True}),
    (Fault(drop="after"), {"sent_unknown": True}),
    (Fault(400, "Bad Request: can't parse entities: x"), {"unformatted": True}),
    (Fault(400, "Bad Request: message is too long"), {"unformatted": True}),
    (Fault(400, "Bad Request: ENTITY_TEXTURL_INVALID"), {"unformatted": True}),
    (Fault(400, "Bad Request: chat not found"), {"unformatted": False}),
    (Fault(400, "Bad Request: CHAT_WRITE_FORBIDDEN"), {"unformatted": False, "moved_to": None}),
    (Fault(401, "Unauthorized"), {"mend": True, "sent_unknown": False}),
]


@pytest.mark.parametrize(("fault", "expected"), FAULTS, ids=lambda value: str(value)[:60])
async def test_each_refusal_becomes_retryable_or_permanent(
    server: FakeTelegram, fault: Fault, expected: dict[str, object]
) -> None:
    """Delivery gets what it needs to decide, and no more."""
    error = await refused(server, "oncall", fault)
    assert {name: getattr(error, name) for name in expected} == expected


PAGE = "<html><h1>nginx</h1></html>"


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 409, 413, 429, 502, 504])
async def test_a_page_of_a_proxy_is_not_telegrams_word(
    server: FakeTelegram, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    """Whatever stands between us may be repaired: no message is lost to its error page."""
    error = await refused(server, "oncall", Fault(status, page=PAGE))
    assert isinstance(error, Retryable)
    assert error.whole_destination is (status == 429)
    assert error.sent_unknown is (status in {200, 504})
    assert status == 200 or f"({status})" in error.reason
    assert "token" not in error.reason
    assert PAGE not in caplog.text


@pytest.mark.parametrize("wait", [-3, "soon", 10**20])
async def test_a_wait_that_makes_no_sense_does_not_end_the_listening(
    server: FakeTelegram, wait: object
) -> None:
    """The next poll comes all the same."""
    server.fail("getUpdates", Fault(429, "Too Many Requests", {"retry_after": wait}))
    async with TelegramChat(bot_settings(server), echo, COMMANDS) as chat:
        await server.until(lambda fake: fake.calls.count("getUpdates") > 1)
        await server.until(lambda _: chat.health() is None)


async def test_a_refused_registration_is_told_as_such(server: FakeTelegram) -> None:
    """What is wrong with listening is not said of some message."""
    server.fail("setMyCommands", Fault(400, "Bad Request: BOT_COMMAND_INVALID"))
    async with TelegramChat(bot_settings(server), echo, COMMANDS) as chat:
        words = "Telegram refuses how we listen (BOT_COMMAND_INVALID)"
        await server.until(lambda _: (chat.health() or "").lower() == words.lower())


async def test_a_connection_that_was_never_made_has_sent_nothing(server: FakeTelegram) -> None:
    """A refused connection is retryable without any doubt about duplicates."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    away = bot_settings(server, base_url=f"http://127.0.0.1:{port}/bot")
    async with TelegramChat(away, echo, COMMANDS) as chat:
        with pytest.raises(Retryable) as caught:
            await chat.send("oncall", HELLO)
    assert not caught.value.sent_unknown


async def test_a_message_that_was_accepted_before_the_drop_arrived_once(
    server: FakeTelegram,
) -> None:
    """The library itself repeats nothing."""
    error = await refused(server, "oncall", Fault(drop="after"))
    assert isinstance(error, Retryable)
    assert len(server.sent) == 1


@pytest.mark.parametrize(
    ("target", "mend"),
    [
        (str(KICKED), "add the bot to the chat"),
        ("-999", "let the bot join"),
        ("nobody", "add it there"),
        (f"{FORUM}/46", "topic is gone"),
    ],
)
async def test_a_permanent_error_says_the_mend(
    server: FakeTelegram, target: str, mend: str
) -> None:
    """Whoever reads the reason knows what to do."""
    error = await refused(server, target)
    assert isinstance(error, Permanent)
    assert mend in error.reason


async def test_a_group_that_became_a_supergroup_tells_its_new_id(server: FakeTelegram) -> None:
    """Delivery can send to the new id, and a person reads what to change."""
    error = await refused(server, str(OLD))
    assert isinstance(error, Permanent)
    assert error.moved_to == str(GROUP)
    assert "write its new id" in error.reason


@pytest.mark.parametrize(
    ("chat_id", "said", "answer"),
    [
        (GROUP, "/triggers svc-a today", "[triggers svc-a today]"),
        (GROUP, "/status@pulse_bot svc-a", "[status svc-a]"),
        (PERSON, "status", "[status]"),
        (PERSON, "/start", "[help]"),
    ],
)
async def test_a_command_is_answered_where_it_was_asked(
    server: FakeTelegram, chat_id: int, said: str, answer: str
) -> None:
    """Slash, address and `/start` are Telegram's; the handler gets the bare command."""
    async with listening(server):
        await server.say(chat_id, said)
        await server.until(lambda fake: bool(fake.sent))
    assert (server.sent[0].chat, server.sent[0].text) == (chat_id, answer)


async def test_the_answer_goes_to_the_topic(server: FakeTelegram) -> None:
    """In a forum the reply stays in the thread of the question."""
    async with listening(server):
        await server.say(FORUM, "/status", topic=45)
        await server.until(lambda fake: bool(fake.sent))
    assert server.sent[0].topic == 45


async def test_what_is_not_for_us_is_not_answered(server: FakeTelegram) -> None:
    """Talk in a group and commands to another bot are left alone."""
    async with listening(server):
        await server.say(GROUP, "good morning")
        await server.say(GROUP, "/status@other_bot")
        await server.say(GROUP, "/help")
        await server.until(lambda fake: bool(fake.sent))
    assert [sent.text for sent in server.sent] == ["[help]"]


async def test_the_asker_is_named_by_the_platforms_ids(server: FakeTelegram) -> None:
    """Access lists and time zones go by these."""
    asked: asyncio.Queue[Incoming] = asyncio.Queue()

    async def handler(incoming: Incoming) -> None:
        await asked.put(incoming)

    async with listening(server, handler):
        await server.say(GROUP, "/status", user=42)
        asker = (await asyncio.wait_for(asked.get(), PATIENCE_S)).asker
    assert (asker.chat, asker.user, asker.channel, asker.name) == (
        "telegram",
        "42",
        str(GROUP),
        "ada",
    )


async def test_a_repeated_update_is_answered_once(server: FakeTelegram) -> None:
    """Telegram delivers at least once; people are answered once."""
    async with listening(server):
        await server.say(GROUP, "/status")
        await server.until(lambda fake: bool(fake.sent))
        await server.say(GROUP, "/status", again=True)
        last = await server.say(GROUP, "/help")
        await server.until(lambda fake: fake.confirmed > last and len(fake.sent) > 1)
    assert [sent.text for sent in server.sent] == ["[status]", "[help]"]
    assert REMEMBERED >= 100


async def test_an_answer_survives_a_server_error_and_a_refused_format(
    server: FakeTelegram,
) -> None:
    """A reply is tried again, and goes out plain where its markup was refused."""
    async with listening(server):
        server.fail("sendMessage", Fault(400, "Bad Request: can't parse entities: x"))
        server.fail("sendMessage", Fault(429, "Too Many Requests", {"retry_after": 1}))
        await server.say(GROUP, "/status")
        await server.until(lambda fake: bool(fake.sent))
    assert (server.sent[0].text, server.sent[0].parse_mode) == ("[status]", None)


async def test_the_command_list_is_set_at_start(server: FakeTelegram) -> None:
    """Telegram's menu offers every command with its help."""
    async with listening(server):
        assert server.commands == [
            {"command": name, "description": line} for name, line in COMMANDS.items()
        ]


async def test_taken_updates_are_confirmed_when_leaving(server: FakeTelegram) -> None:
    """A restart does not answer the same command again."""
    async with listening(server):
        last = await server.say(GROUP, "/status")
        await server.until(lambda fake: bool(fake.sent))
    assert server.confirmed == last + 1


async def test_an_unreachable_telegram_does_not_stop_the_start() -> None:
    """Entering returns at once, health tells, and listening begins when Telegram is there."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    server = FakeTelegram(port=port)
    server.rooms[GROUP] = Room()
    async with TelegramChat(bot_settings(server), echo, COMMANDS) as chat:
        assert chat.health() == "not connected yet"
        async with server:
            await server.say(GROUP, "/status")
            await server.until(lambda fake: bool(fake.sent))
            assert chat.health() is None


async def test_a_second_listener_shows_in_health_and_goes_away(server: FakeTelegram) -> None:
    """A Conflict is told in words that name the cause, and listening goes on after it."""
    async with listening(server) as chat:
        server.fail("getMe", Fault(500), times=1)
        await rival_poll(server)
        await server.until(lambda fake: fake.calls[-1] == "getMe")
        assert "same token" in (chat.health() or "")
        await server.say(GROUP, "/status")
        await server.until(lambda fake: len(fake.sent) == 1)
        await server.say(GROUP, "/status")
        await server.until(lambda fake: len(fake.sent) == 2)
        assert chat.health() is None


async def rival_poll(server: FakeTelegram) -> None:
    """Poll once with the same token, as a second process would."""
    async with httpx.AsyncClient() as client:
        await client.post(f"{server.base_url}{TOKEN}/getUpdates", data={"timeout": "0"})


async def test_a_wrong_token_is_told_and_never_shown(
    server: FakeTelegram, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither health nor errors nor the log at its most talkative hold the token."""
    caplog.set_level(logging.DEBUG)
    wrong = bot_settings(server, token=SecretStr("999:wrong-secret"))
    async with TelegramChat(wrong, echo, COMMANDS) as chat:
        with pytest.raises(Retryable, match=r"check telegram\.token") as caught:
            await chat.send("oncall", HELLO)
        await server.until(lambda _: "check telegram.token" in (chat.health() or ""))
    said = caplog.text + str(caught.value) + "".join(capsys.readouterr())
    assert "wrong-secret" not in said


async def test_a_token_echoed_by_a_proxy_is_redacted(server: FakeTelegram) -> None:
    """An error page that repeats the address does not carry the token any further."""
    server.fail("getMe", Fault(502, f"no route to /bot{TOKEN}/getMe"))
    async with TelegramChat(bot_settings(server), echo, COMMANDS) as chat:
        await server.until(lambda _: "no route" in (chat.health() or ""))
        assert "no route to /bot<token>/getMe" in (chat.health() or "")


@asynccontextmanager
async def called(server: FakeTelegram, **more: object) -> AsyncIterator[str]:
    """Run a bot in webhook mode behind a real web server; gives the address."""
    app = Starlette()
    async with serving(app) as address:
        url = address + WEBHOOK_PATH
        settings = bot_settings(server, mode="webhook", webhook_url=url, **more)
        chat = TelegramChat(settings, echo, COMMANDS)
        app.router.routes.extend(chat.http_routes())
        async with chat:
            await server.until(lambda fake: "getWebhookInfo" in fake.calls)
            yield url


async def test_webhook_mode_answers_what_telegram_brings(server: FakeTelegram) -> None:
    """The address is registered with a secret, and an update that comes with it is answered."""
    async with called(server):
        assert len(server.hook["secret_token"]) >= 32
        await server.say(GROUP, "/status")
        await server.until(lambda fake: bool(fake.sent))
    assert server.hook_answers == [200]
    assert "getUpdates" not in server.calls


async def test_webhook_mode_registers_again_and_tells_why_telegram_cannot_call(
    server: FakeTelegram,
) -> None:
    """A registration that somebody removed comes back; Telegram's own complaint is in health."""

    async def accept(update: Update, username: str) -> None:
        pytest.fail(f"{username} got {update}")

    hook = Hook("http://127.0.0.1:9/telegram/webhook", "secret")
    async with Bot(TOKEN, base_url=server.base_url) as bot:
        connection = Connection(bot, COMMANDS, accept, hook, check_s=0.05)
        task = asyncio.create_task(connection.run())
        await server.until(lambda fake: "getWebhookInfo" in fake.calls)
        server.hook = {}
        await server.until(lambda fake: fake.hook.get("url") == hook.url)
        server.hook_error = {
            "last_error_date": int(time.time()) + 60,
            "last_error_message": "Connection refused",
        }
        await server.until(lambda _: "Connection refused" in (connection.trouble or ""))
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


@pytest.mark.parametrize("secret", ["", "wrong", "ü"])
async def test_webhook_mode_refuses_anybody_else(server: FakeTelegram, secret: str) -> None:
    """Without the secret nothing is even read."""
    async with called(server, webhook_secret="right") as url, httpx.AsyncClient() as client:  # noqa: S106 - an example
        headers = {"X-Telegram-Bot-Api-Secret-Token": secret.encode()}
        reply = await client.post(url, json={"update_id": 1}, headers=headers)
    assert reply.status_code == 403


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b"[]", 400), (b'{"a": 1}', 400), (b"x" * 1_100_000, 413)],
    ids=["broken", "no object", "no update", "too large"],
)
async def test_webhook_mode_survives_bad_bodies(
    server: FakeTelegram, body: bytes, status: int
) -> None:
    """What is no update gets a 4xx, and the next update is answered."""
    async with called(server, webhook_secret="right") as url, httpx.AsyncClient() as client:  # noqa: S106 - an example
        headers = {"X-Telegram-Bot-Api-Secret-Token": "right"}
        assert (await client.post(url, content=body, headers=headers)).status_code == status
        await server.say(GROUP, "/status")
        await server.until(lambda fake: bool(fake.sent))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"mode": "webhook"}, "webhook_url is missing"),
        ({"token": ""}, "BotFather"),
        ({"webhook_secret": "no spaces"}, "webhook_secret"),
        ({"chats": {"oncall": "not an id"}}, r"chats\.oncall"),
    ],
)
def test_settings_that_cannot_work_are_refused(more: dict[str, object], words: str) -> None:
    """The error names the setting and what it wants."""
    values = {"token": "1:x"} | more
    with pytest.raises(InvalidInput, match=words):
        TelegramChat(Telegram.model_validate(values), echo, COMMANDS)


@pytest.mark.parametrize("name", ["svc-a", "Status", "", "x" * 33])
def test_a_command_name_must_suit_telegram(name: str) -> None:
    """Only [a-z0-9_]{1,32} can be offered in Telegram's menu."""
    with pytest.raises(InvalidInput, match="Telegram takes"):
        TelegramChat(Telegram.model_validate({"token": "1:x"}), echo, {name: "help"})
