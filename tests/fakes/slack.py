"""A Slack on the loopback: the Web API, Socket Mode, response URLs and signed HTTP events.

In a test: `async with FakeSlack() as slack`. From elsewhere, as a process of its own:
`python -m tests.fakes.slack --port 8089 --record accepted.ndjson`; it prints its base URL,
appends every accepted message to the file before it answers, and takes faults over HTTP:
`POST /_faults {"kind": "rate_limited", "times": 3, "after": 2}` (see `Fault`), `DELETE /_faults`.
`GET /_messages` lists what was accepted, `POST /_command {"text": "/status"}` types a command.
"""

import argparse
import asyncio
import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import parse_qsl

import aiohttp
from aiohttp import WSMsgType, web

from tests.fakes import slack_payloads as payloads
from tests.fakes import slack_rules
from tests.patience import PATIENCE_S

Kind = Literal[
    "rate_limited",  # 429 with Retry-After
    "status",  # `status`, without a body
    "error",  # 200, ok false, `error`
    "garbage",  # 200 with an HTML page
    "not_json",  # 200, application/json, broken
    "no_verdict",  # 200, a JSON body without `ok`
    "drop_before",  # the connection is reset, nothing was accepted
    "drop_after",  # the message is accepted, then the connection is reset
    "slow",  # the answer comes after `after` seconds
    "late",  # the message is accepted at once, the answer comes after `after` seconds
]


@dataclass
class Fault:
    """What goes wrong with the next `times` calls of `method`, to one channel if it is named."""

    kind: Kind
    method: str = "chat.postMessage"
    times: int = 1
    after: float = 1
    status: int = 500
    error: str = "channel_not_found"
    channel: str | None = None


@dataclass(frozen=True)
class Accepted:
    """A message as Slack took it; `dropped` where the sender was not told so."""

    ts: str
    channel: str
    body: dict[str, Any]
    dropped: bool = False
    received: float = field(default_factory=time.time)

    @property
    def shown(self) -> str:
        """What a person reads."""
        return slack_rules.shown(self.body)


class FakeSlack:
    """One workspace, its server and what happened to it."""

    bot_token = "xoxb-fake-bot-token"  # noqa: S105 - a made-up one
    app_token = "xapp-fake-app-token"  # noqa: S105 - a made-up one
    signing_secret = "fake-signing-secret"  # noqa: S105 - a made-up one

    def __init__(self, port: int = 0, record: Path | None = None) -> None:
        self.messages: list[Accepted] = []
        self.replies: list[dict[str, Any]] = []
        """What came to response URLs."""
        self.calls: Counter[str] = Counter()
        self.faults: list[Fault] = []
        self.users: dict[str, dict[str, Any]] = {"U1": {"id": "U1", "tz": "Europe/Berlin"}}
        self.missing: set[str] = set()
        """Names of channels that are not there."""
        self.sockets: list[web.WebSocketResponse] = []
        self.acks: list[str] = []
        self.says_hello = True
        self.deaf: set[int] = set()
        """Ids of the sockets that neither answer pings nor read anything."""
        self.changed = asyncio.Condition()
        self._port = port
        self._record = record
        self._numbers = count(1)
        self._response_uses: Counter[str] = Counter()
        self._runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=0.1)
        self.origin = ""

    @property
    def base_url(self) -> str:
        """The base URL of the Web API."""
        return f"{self.origin}/api/"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; after `stop` on the same port again."""
        if self._runner.server is None:
            self._runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self.origin = f"http://127.0.0.1:{self._port}"

    async def stop(self) -> None:
        """Hang up on everybody and stop listening."""
        for socket in self.sockets:
            self._abort(socket)
        await self._runner.cleanup()

    async def until(self, condition: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
        """Wait until something that this server sees has come true."""
        async with asyncio.timeout(seconds), self.changed:
            await self.changed.wait_for(condition)

    # --- faults -------------------------------------------------------------------------------

    def fail(self, kind: Kind, **details: Any) -> None:
        """Let the next calls fail; see `Fault`."""
        self.faults.append(Fault(kind, **details))

    def _due_fault(self, method: str, channel: object) -> Fault | None:
        for fault in self.faults:
            if fault.method == method and fault.channel in {None, channel} and fault.times:
                fault.times -= 1
                return fault
        return None

    # --- the Web API --------------------------------------------------------------------------

    def _app(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            [
                web.route("*", "/api/{method}", self._api),
                web.get("/_socket", self._socket),
                web.post("/_response/{id}", self._response_url),
                web.post("/_faults", self._set_fault),
                web.delete("/_faults", self._clear_faults),
                web.get("/_messages", self._list_messages),
                web.post("/_command", self._type_command),
            ]
        )
        return app

    async def _api(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        body = await _body(request)
        self.calls[method] += 1
        fault = self._due_fault(method, body.get("channel"))
        if fault and fault.kind not in {"drop_after", "slow", "late"}:
            return await self._changed(self._fault_answer(request, fault))
        if fault and fault.kind == "slow":
            await asyncio.sleep(fault.after)
        dropped = fault is not None and fault.kind == "drop_after"
        answer = self._answer(request, method, body, dropped=dropped)
        if fault and fault.kind == "late":
            await asyncio.sleep(fault.after)
        if dropped:
            _reset(request)
        return await self._changed(web.json_response(answer))

    async def _changed(self, answer: web.StreamResponse) -> web.StreamResponse:
        await self._tell()
        return answer

    async def _tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    def _fault_answer(self, request: web.Request, fault: Fault) -> web.Response:
        if fault.kind == "drop_before":
            _reset(request)
        json_type, page = "application/json", "<html>Be right back</html>"
        refusal = json.dumps(_refused(fault.error))
        after = {"Retry-After": f"{fault.after:g}"}
        answers = {
            "rate_limited": web.Response(status=429, headers=after, text="slow down"),
            "status": web.Response(status=fault.status, text="upstream trouble"),
            "error": web.Response(text=refusal, content_type=json_type),
            "garbage": web.Response(text=page, content_type="text/html"),
            "not_json": web.Response(text='{"ok": tr', content_type=json_type),
            "no_verdict": web.Response(text='{"hello": "world"}', content_type=json_type),
        }
        return answers.get(fault.kind, web.Response())

    def _answer(
        self, request: web.Request, method: str, body: dict[str, Any], *, dropped: bool
    ) -> dict[str, Any]:
        token = self.app_token if method == "apps.connections.open" else self.bot_token
        if request.headers.get("Authorization") != f"Bearer {token}":
            return {"ok": False, "error": "invalid_auth"}
        match method:
            case "chat.postMessage" | "chat.postEphemeral" | "chat.update":
                return self._accept(body, dropped=dropped)
            case "auth.test":
                ids = {"user_id": payloads.BOT, "bot_id": "B0BOT", "team_id": "T1"}
                return {"ok": True, "user": "pulsebot", "team": "Fake", **ids}
            case "users.info":
                user = self.users.get(body.get("user", ""))
                return {"ok": True, "user": user} if user else _refused("user_not_found")
            case "apps.connections.open":
                url = f"{self.origin}/_socket?ticket=fake-ticket".replace("http", "ws", 1)
                return {"ok": True, "url": url}
            case _:
                return _refused("unknown_method")

    def _accept(self, body: dict[str, Any], *, dropped: bool) -> dict[str, Any]:
        if body.get("channel") in {None, "", *self.missing}:
            return _refused("channel_not_found")
        error = slack_rules.verdict(body)
        if error:
            return _refused(error)
        channel = channel_id(body["channel"])
        ts = f"{time.time():.0f}.{next(self._numbers):06}"
        accepted = Accepted(ts, channel, body, dropped=dropped)
        self.messages.append(accepted)
        if self._record:
            _append(self._record, asdict(accepted))
        return {"ok": True, "channel": channel, "ts": ts, "message_ts": ts}

    async def _response_url(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        fault = self._due_fault("response_url", None)
        if fault:
            return await self._changed(self._fault_answer(request, fault))
        number = request.match_info["id"]
        self._response_uses[number] += 1
        if self._response_uses[number] > 5:
            return web.json_response(_refused("used_url"), status=404)
        error = slack_rules.verdict(body)
        if error:
            return web.json_response(_refused(error), status=400)
        self.replies.append(body)
        return await self._changed(web.Response(text="ok"))

    # --- Socket Mode --------------------------------------------------------------------------

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(autoping=False, autoclose=False)
        await socket.prepare(request)
        self.sockets.append(socket)
        if self.says_hello:
            await socket.send_json({"type": "hello", "num_connections": len(self.sockets)})
        await self._tell()
        async for message in socket:
            if id(socket) in self.deaf:
                continue
            if message.type == WSMsgType.PING:
                await socket.pong(message.data)
            elif message.type == WSMsgType.TEXT:
                self.acks.append(message.json()["envelope_id"])
                await self._tell()
        if id(socket) in self.deaf:  # nor does it answer a goodbye
            await asyncio.Event().wait()
        await socket.close()
        return await self._changed(socket)

    @property
    def connected(self) -> int:
        """How many sockets are open and not deaf."""
        return sum(not s.closed and id(s) not in self.deaf for s in self.sockets)

    async def push(self, kind: str, payload: dict[str, Any], envelope: str | None = None) -> str:
        """Send an envelope over the newest open socket; return its id."""
        envelope = envelope or f"env-{next(self._numbers)}"
        socket = [s for s in self.sockets if not s.closed][-1]
        await socket.send_json({"type": kind, "envelope_id": envelope, "payload": payload})
        return envelope

    async def ask_to_reconnect(self) -> None:
        """Announce, as Slack does about hourly, that this connection is going to be replaced."""
        await self.sockets[-1].send_json({"type": "disconnect", "reason": "refresh_requested"})

    def go_deaf(self) -> None:
        """Let the open sockets stay open, but answer nothing from now on."""
        self.deaf |= {id(socket) for socket in self.sockets if not socket.closed}

    def hang_up(self) -> None:
        """Reset the open sockets without a goodbye."""
        for socket in self.sockets:
            self._abort(socket)

    @staticmethod
    def _abort(socket: web.WebSocketResponse) -> None:
        transport = socket._req.transport if socket._req else None
        if transport:
            transport.abort()

    # --- what people do -----------------------------------------------------------------------

    def slash(self, typed: str, **details: Any) -> dict[str, Any]:
        """Return the payload of a slash command typed in a channel."""
        number = next(self._numbers)
        return payloads.slash(typed, number, f"{self.origin}/_response/{number}") | details

    def event(self, kind: str, text: str, **details: Any) -> dict[str, Any]:
        """Return the payload of an event that carries a text, such as an app_mention."""
        return payloads.event(kind, text, next(self._numbers), **details)

    async def post(
        self, url: str, payload: dict[str, Any], *, age: float = 0, secret: str | None = None
    ) -> tuple[int, str]:
        """Deliver a payload over HTTP as Slack signs it, `age` seconds ago; return the answer."""
        body, headers = payloads.signed(payload, secret or self.signing_secret, age)
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=body, headers=headers) as answer,
        ):
            return answer.status, await answer.text()

    # --- from other processes -----------------------------------------------------------------

    async def _set_fault(self, request: web.Request) -> web.Response:
        self.faults.append(Fault(**await request.json()))
        return web.json_response({"ok": True})

    async def _clear_faults(self, _: web.Request) -> web.Response:
        self.faults.clear()
        return web.json_response({"ok": True})

    async def _list_messages(self, _: web.Request) -> web.Response:
        return web.json_response([asdict(message) for message in self.messages])

    async def _type_command(self, request: web.Request) -> web.Response:
        payload = self.slash((await request.json())["text"])
        return web.json_response({"envelope": await self.push("slash_commands", payload)})


def channel_id(target: str) -> str:
    """Return the id that this workspace gives a channel's or user's name."""
    if target[:1] not in {"#", "@"}:
        return target
    kind = "C" if target[0] == "#" else "D"
    return kind + hashlib.sha256(target.encode()).hexdigest()[:8].upper()


async def _body(request: web.Request) -> dict[str, Any]:
    raw = await request.text()
    if request.content_type == "application/json":
        body: dict[str, Any] = json.loads(raw)
        return body
    return dict(parse_qsl(raw)) | dict(request.query)


def _refused(error: str) -> dict[str, Any]:
    return {"ok": False, "error": error}


def _reset(request: web.Request) -> None:
    if request.transport:
        request.transport.abort()


def _append(path: Path, entry: dict[str, Any]) -> None:
    with path.open("a") as file:
        file.write(json.dumps(entry) + "\n")
        file.flush()
        os.fsync(file.fileno())


async def _serve(port: int, record: Path | None) -> None:
    async with FakeSlack(port, record) as slack:
        print(slack.base_url, flush=True)  # noqa: T201 - tells the port to whoever started it
        await asyncio.Event().wait()


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--record", type=Path, help="NDJSON of the accepted messages")
    arguments = parser.parse_args()
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(arguments.port, arguments.record))


if __name__ == "__main__":
    _main()
