"""A Bot API server on loopback: real HTTP, Telegram's checks, faults on demand.

It refuses what Telegram refuses (length, markup, unknown chats, a second poller), keeps every
message it accepted in `sent`, and fails as told by `fail`. Also a program of its own:
`python -m tests.fakes.telegram --port N --record FILE`, with POST /control/say and
/control/fail (JSON: the arguments of the methods).
"""

import argparse
import asyncio
import itertools
import json
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

import httpx
from aiohttp import web

from tests.fakes.telegram_html import Entity, Refused, parse
from tests.patience import PATIENCE_S

TOKEN = "123456:fake-token-of-the-loopback-server"  # noqa: S105 - not a secret
LIMIT = 4096
"""UTF-16 units: the strictest that a server may count."""
BOT = {"id": 123456, "is_bot": True, "first_name": "Pulse", "username": "pulse_bot"}


@dataclass(frozen=True, slots=True)
class Fault:
    """How a call fails: an error answer, or the connection dropped before or after accepting."""

    status: int = 500
    description: str = "Internal Server Error"
    parameters: dict[str, object] = field(default_factory=dict)
    page: str = ""
    """Answer with this, as a proxy does that stands between, and not in Telegram's words."""
    drop: Literal["", "before", "after"] = ""
    delay_s: float = 0
    """Only keeps silent for so many seconds; then the call goes on as if nothing was wrong."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One accepted message: `text` as people see it, `raw` as it was sent."""

    chat: int
    text: str
    raw: str
    parse_mode: str | None
    topic: int | None
    entities: tuple[Entity, ...]
    id: int


@dataclass(slots=True)
class Room:
    """A chat that the bot may write to, or not any more."""

    type: str = "supergroup"
    username: str = ""
    kicked: bool = False
    moved_to: int | None = None
    topics: tuple[int, ...] = ()


class ApiError(Exception):
    """Hold status, description and parameters of an error answer."""


class FakeTelegram:
    """The server; an async context manager. `open_house` makes every chat known."""

    def __init__(self, *, port: int = 0, token: str = TOKEN, open_house: bool = False) -> None:
        self.token = token
        self.rooms: dict[int, Room] = {}
        self.sent: list[Sent] = []
        self.calls: list[str] = []
        self.commands: list[dict[str, str]] = []
        self.hook: dict[str, str] = {}
        self.hook_answers: list[int] = []
        self.hook_error: dict[str, Any] = {}
        self.confirmed = 0
        self.record: Path | None = None
        self._open_house = open_house
        self._port = port
        self._faults: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._updates: list[dict[str, Any]] = []
        self._ids = itertools.count(1)
        self._changed = asyncio.Condition()
        self._poll = 0
        self._runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=0.1)

    @property
    def base_url(self) -> str:
        """The setting `telegram.base_url` that leads here."""
        return f"http://127.0.0.1:{self._port}/bot"

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._poll += 1  # ends the poll that waits
        await self._notify()
        await self._runner.cleanup()

    def fail(self, method: str, fault: Fault, times: int = 1) -> None:
        """Let the next calls of a method fail."""
        self._faults[method].extend([fault] * times)

    async def say(
        self, chat: int, text: str, *, user: int = 7, topic: int | None = None, again: bool = False
    ) -> int:
        """Let a person say something in a chat; `again` repeats the last update's id."""
        message: dict[str, Any] = {
            "message_id": next(self._ids),
            "date": 1_795_000_000,
            "chat": {"id": chat, "type": self._room(chat).type},
            "from": {"id": user, "is_bot": False, "first_name": "Ada", "username": "ada"},
            "text": text,
        }
        if topic:
            message |= {"message_thread_id": topic, "is_topic_message": True}
        last = self._updates[-1]["update_id"] if self._updates else 100
        update = {"update_id": last if again else last + 1, "message": message}
        self._updates.append(update)
        if self.hook.get("url"):
            await self._call_hook(update)
        await self._notify()
        return int(update["update_id"])

    async def until(self, condition: Callable[[Self], bool], timeout_s: float = PATIENCE_S) -> None:
        """Wait until a condition over this server holds."""
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(lambda: condition(self))

    def _app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/bot{token}/{method}", self._called)
        app.router.add_post("/control/{method}", self._controlled)
        return app

    async def _called(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        form = {key: str(value) for key, value in (await request.post()).items()}
        self.calls.append(method)
        await self._notify()
        if request.match_info["token"] != self.token:
            return _error(401, "Unauthorized")
        fault = self._faults[method].popleft() if self._faults[method] else None
        if fault and fault.delay_s:
            await asyncio.sleep(fault.delay_s)
        elif fault and fault.drop == "before":
            return _dropped(request)
        elif fault and fault.page:
            return web.Response(status=fault.status, text=fault.page, content_type="text/html")
        elif fault and not fault.drop:
            return _error(fault.status, fault.description, fault.parameters)
        answer = await self._answer(method, form)
        return _dropped(request) if fault and fault.drop else answer

    async def _answer(self, method: str, form: dict[str, str]) -> web.Response:
        methods: dict[str, Callable[[dict[str, str]], Awaitable[Any]]] = {
            "getMe": self._get_me,
            "getUpdates": self._get_updates,
            "sendMessage": self._send_message,
            "setMyCommands": self._set_commands,
            "setWebhook": self._set_webhook,
            "deleteWebhook": self._delete_webhook,
            "getWebhookInfo": self._webhook_info,
        }
        if method not in methods:
            return _error(404, "Not Found")
        try:
            result = await methods[method](form)
        except ApiError as error:
            return _error(*error.args)
        await self._notify()
        return web.json_response({"ok": True, "result": result})

    async def _get_me(self, _: dict[str, str]) -> dict[str, Any]:
        return BOT

    async def _get_updates(self, form: dict[str, str]) -> list[dict[str, Any]]:
        if self.hook.get("url"):
            raise ApiError(409, "Conflict: can't use getUpdates method while webhook is active")
        self._poll += 1
        mine, offset = self._poll, int(form.get("offset", 0))
        self.confirmed = max(self.confirmed, offset)
        await self._notify()
        try:
            async with asyncio.timeout(float(form.get("timeout", 0))), self._changed:
                await self._changed.wait_for(lambda: self._due(offset) or self._poll != mine)
        except TimeoutError:
            return self._due(offset)
        if self._poll != mine:
            raise ApiError(409, "Conflict: terminated by other getUpdates request")
        return self._due(offset)

    def _due(self, offset: int) -> list[dict[str, Any]]:
        return [update for update in self._updates if update["update_id"] >= offset][:100]

    async def _send_message(self, form: dict[str, str]) -> dict[str, Any]:
        chat, room = self._find(form["chat_id"])
        topic = int(form["message_thread_id"]) if "message_thread_id" in form else None
        if room.kicked:
            raise ApiError(403, "Forbidden: bot was kicked from the group chat")
        if room.moved_to:
            raise ApiError(
                400,
                "Bad Request: group chat was upgraded to a supergroup chat",
                {"migrate_to_chat_id": room.moved_to},
            )
        if topic and topic not in room.topics:
            raise ApiError(400, "Bad Request: message thread not found")
        sent = self._accepted(chat, topic, form)
        self.sent.append(sent)
        if self.record:
            with self.record.open("a") as file:
                file.write(json.dumps(asdict(sent)) + "\n")
        shown = {"id": chat, "type": room.type}
        return {"message_id": sent.id, "date": 1_795_000_000, "chat": shown, "text": sent.text}

    def _accepted(self, chat: int, topic: int | None, form: dict[str, str]) -> Sent:
        mode, entities = form.get("parse_mode"), ()
        text = form.get("text", "")
        if mode == "HTML":
            try:
                text, entities = parse(text)
            except Refused as refused:
                raise ApiError(400, f"Bad Request: {refused}") from None
        if not text.strip():
            raise ApiError(400, "Bad Request: message text is empty")
        if len(text.encode("utf-16-le")) // 2 > LIMIT:
            raise ApiError(400, "Bad Request: message is too long")
        return Sent(chat, text, form["text"], mode, topic, entities, next(self._ids))

    async def _set_commands(self, form: dict[str, str]) -> bool:
        self.commands = json.loads(form["commands"])
        return True

    async def _set_webhook(self, form: dict[str, str]) -> bool:
        self.hook = form
        return True

    async def _delete_webhook(self, _: dict[str, str]) -> bool:
        self.hook = {}
        return True

    async def _webhook_info(self, _: dict[str, str]) -> dict[str, Any]:
        info = {"url": self.hook.get("url", ""), "has_custom_certificate": False}
        return info | {"pending_update_count": 0} | self.hook_error

    async def _call_hook(self, update: dict[str, Any]) -> None:
        headers = {"X-Telegram-Bot-Api-Secret-Token": self.hook.get("secret_token", "")}
        async with httpx.AsyncClient() as client:
            reply = await client.post(self.hook["url"], json=update, headers=headers)
        self.hook_answers.append(reply.status_code)

    async def _controlled(self, request: web.Request) -> web.Response:
        arguments = await request.json()
        if request.match_info["method"] == "say":
            await self.say(**arguments)
        else:
            method, times = arguments.pop("method"), arguments.pop("times", 1)
            self.fail(method, Fault(**arguments), times)
        return web.Response()

    def _find(self, chat_id: str) -> tuple[int, Room]:
        for number, room in self.rooms.items():
            if chat_id in {str(number), room.username}:
                return number, room
        if self._open_house:
            return int(chat_id), self._room(int(chat_id))
        raise ApiError(400, "Bad Request: chat not found")

    def _room(self, chat: int) -> Room:
        return self.rooms.get(chat, Room(type="private" if chat > 0 else "group"))

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def _error(
    status: int, description: str, parameters: dict[str, object] | None = None
) -> web.Response:
    body = {"ok": False, "error_code": status, "description": description}
    return web.json_response(
        body | ({"parameters": parameters} if parameters else {}), status=status
    )


def _dropped(request: web.Request) -> web.Response:
    if request.transport:
        request.transport.abort()
    return web.Response()


async def _serve(arguments: argparse.Namespace) -> None:
    async with FakeTelegram(port=arguments.port, token=arguments.token, open_house=True) as server:
        server.record = arguments.record
        print(f"telegram.base_url: {server.base_url}", flush=True)  # noqa: T201 - its only words
        await asyncio.Event().wait()


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port, printed at start")
    parser.add_argument("--record", type=Path, help="file that gets one JSON line per message")
    parser.add_argument("--token", default=TOKEN)
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
