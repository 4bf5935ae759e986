"""Settings of the bot: what a `pulsebot.yaml` may say, as frozen models.

Reading files and the environment is `pulsebot.configfile`; this module holds the values,
their defaults and what they mean.
"""

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from pulsebot import configfile
from pulsebot.address import Address, parse_address, parse_network
from pulsebot.civil import zone_of
from pulsebot.errors import InvalidConfig, InvalidInput, Problem
from pulsebot.logs import Logs
from pulsebot.routing.receiver import Chats, Targets, receiver
from pulsebot.stream.config import LocalStream, Section, StreamSettings
from pulsebot.timespan import parse_duration


def _duration(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    try:
        return parse_duration(str(value))
    except InvalidInput as error:
        raise ValueError(str(error)) from None


def _listen(value: object) -> str:
    try:
        return str(parse_address(str(value)))
    except InvalidInput as error:
        raise ValueError(str(error)) from None


def _network(value: object) -> str:
    try:
        return str(parse_network(str(value)))
    except InvalidInput as error:
        raise ValueError(str(error)) from None


TOKEN_LENGTH = 16
"""Characters of the web server's token at least: nobody counts wrong guesses."""

_TOKEN = re.compile(f"[!-~]{{{TOKEN_LENGTH},}}")
_HEADER = re.compile(r"[-!#$%&'*+.^_`|~0-9A-Za-z]+")  # a token of RFC 9110


def _digits(value: object) -> object:
    return str(value) if type(value) is int else value


Id = Annotated[str, BeforeValidator(_digits)]
"""A platform's id of a user or channel; Telegram's are numbers, which need no quotes here."""

Duration = Annotated[timedelta, BeforeValidator(_duration)]
Days = Annotated[float, Field(gt=0, le=36_500)]


class Slack(Section):
    """Slack: Socket Mode needs `app_token`, HTTP mode needs `signing_secret`."""

    mode: Literal["socket", "http"] = "socket"
    bot_token: SecretStr
    app_token: SecretStr | None = None
    signing_secret: SecretStr | None = None
    base_url: str = "https://slack.com/api/"
    command_prefix: str = ""
    """Put before every slash command, for workspaces where `/status` is taken."""


TELEGRAM_TARGET = re.compile(r"(-?\d+|@\w+)(?:/(\d+))?")
"""An id or @channel, with the topic of a forum: `-100123/45`."""


class Telegram(Section):
    """Telegram: `chats` gives chat ids the names used in rules (`telegram:oncall`)."""

    token: SecretStr
    mode: Literal["polling", "webhook"] = "polling"
    base_url: str = "https://api.telegram.org/bot"
    chats: dict[str, int | str] = {}
    webhook_url: str | None = None
    """Public https address that Telegram calls in webhook mode."""
    webhook_secret: SecretStr | None = None


class Webhook(Section):
    """A receiver of our own JSON: `webhook:NAME` in rules."""

    url: str
    headers: dict[str, SecretStr] = {}
    signing_secret: SecretStr | None = None
    """Signs the body: `X-Pulsebot-Signature: sha256=…` (HMAC)."""
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 10


class Access(Section):
    """Who is answered on one chat: a listed user anywhere, anyone in a listed channel.

    Empty lists answer nobody (default deny); `["*"]` answers everybody. What `operators` say is
    carried out as well (`/sql`); they are named one by one.
    """

    users: tuple[Id, ...] = ()
    channels: tuple[Id, ...] = ()
    operators: tuple[Id, ...] = ()

    @field_validator("operators")
    @classmethod
    def _named(cls, operators: tuple[str, ...]) -> tuple[str, ...]:
        if "*" in operators:
            raise ValueError("name each operator by the id of the user; `*` is for readers")
        return operators


class Retention(Section):
    """How long each thing is kept, in days."""

    minute_counts: Days = 8
    """After this the 1-minute buckets become 15-minute ones."""
    counts: Days = 400
    crashes: Days = 90
    messages: Days = 30
    statuses: Days = 90
    alerts: Days = 90
    decisions: Days = 30
    outbox: Days = 30
    dead_letters: Days = 30
    views: Days = 400
    """Rows of SQL views whose window clause says no RETENTION."""
    marks: Days = 14
    """De-duplication marks; must be longer than the log's own retention."""


class Clock(Section):
    """Event times further than this from their arrival are clamped to it and flagged."""

    past: Duration = timedelta(days=30)
    future: Duration = timedelta(minutes=10)


class Delivery(Section):
    """How notifications are sent."""

    max_age: Duration = timedelta(hours=24)
    """Give up on a message that could not be sent for this long."""
    uncertain: Literal["resend", "drop"] = "resend"
    """What to do with a message that may or may not have arrived before a crash."""
    admin: str | None = None
    """Receiver that is told when another one fails for good, such as `slack:#ops`."""


class Web(Section):
    """Probes and metrics for whoever reaches `listen`; pages and API for whoever may see them.

    Without a token or a proxy, that is who calls from this machine, at a loopback address.
    """

    listen: Annotated[str, BeforeValidator(_listen)] = "127.0.0.1:8080"
    """`HOST:PORT`, IPv6 in brackets; port 0 takes a free one."""
    token: SecretStr | None = None
    """What callers show as `Authorization: Bearer …`, or type at `/login`."""
    proxy_header: str | None = None
    """Header in which a reverse proxy names the user that it let through."""
    proxy_from: tuple[Annotated[str, BeforeValidator(_network)], ...] = ()
    """Addresses and networks that the proxy calls from; the header counts from nowhere else."""
    ready_lag: Annotated[int, Field(ge=0)] = 100_000
    """`/readyz` fails while more records than this are unread."""

    @property
    def address(self) -> Address:
        """Where the server listens."""
        return parse_address(self.listen)

    @field_validator("token")
    @classmethod
    def _hard_to_guess(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and not _TOKEN.fullmatch(token.get_secret_value()):
            raise ValueError(
                f"needs {TOKEN_LENGTH} letters, digits or signs at least, and no spaces; "
                "make one: openssl rand -hex 32"
            )
        return token

    @field_validator("proxy_header")
    @classmethod
    def _header(cls, name: str | None) -> str | None:
        if name is not None and not _HEADER.fullmatch(name):
            raise ValueError(f"{name!r} cannot be the name of a header")
        return name

    @model_validator(mode="after")
    def _proxy_complete(self) -> "Web":
        if self.proxy_header and not self.proxy_from:
            raise ValueError(
                "`proxy_header` needs `proxy_from`: the addresses that the proxy calls from, "
                "such as [127.0.0.1]"
            )
        if self.proxy_from and not self.proxy_header:
            raise ValueError(
                "`proxy_from` goes with `proxy_header`: the header in which the proxy names the "
                "user"
            )
        return self


class Publish(Section):
    """Views kept in PostgreSQL as well; `publish: postgresql://…` alone publishes all of them."""

    url: SecretStr
    views: Literal["all"] | tuple[str, ...] = "all"
    """All, or those of a list, by the names that `SHOW TABLES` gives."""

    @model_validator(mode="before")
    @classmethod
    def _url_alone(cls, value: object) -> object:
        return {"url": value} if isinstance(value, str) else value

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: SecretStr) -> SecretStr:
        if not _reaches_postgres(url.get_secret_value()):
            raise ValueError(
                "write postgresql://user:password@host:5432/database; in a password write"
                " @ as %40, / as %2F, % as %25"
            )
        return url


def _reaches_postgres(url: str) -> bool:
    """Tell whether libpq would understand an address; it would show a password it did not."""
    from psycopg import ProgrammingError  # noqa: PLC0415 - takes 0.2 s, and few need it
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 - the same

    try:
        ports = str(conninfo_to_dict(url).get("port", "")).split(",")
    except ProgrammingError:
        return False
    scheme_fits = url.startswith(("postgresql://", "postgres://"))
    return scheme_fits and all(port.isdecimal() or not port for port in ports)


class Settings(Section):
    """Everything that `pulsebot.yaml` may say."""

    stream: StreamSettings = LocalStream()
    database: Path = Path("pulsebot.db")
    rules: tuple[Path, ...] = (Path("rules"),)
    """Rule files, or folders of them."""
    timezone: str = "UTC"
    """Zone of days for askers whose chat does not tell theirs."""
    chat_timezones: dict[str, str] = {}
    """Zone by channel or user, such as `telegram:-100123: Europe/Berlin`."""
    console: bool = False
    """Show messages in the terminal and take commands there."""
    slack: Slack | None = None
    telegram: Telegram | None = None
    webhooks: dict[str, Webhook] = {}
    access: dict[Literal["slack", "telegram"], Access] = {}
    retention: Retention = Retention()
    clock: Clock = Clock()
    delivery: Delivery = Delivery()
    web: Web | None = Web()
    publish: Publish | None = None
    logs: Logs = Logs()

    def chats(self) -> Chats:
        """Return the chats that are set up, and the targets they know: what a receiver may say."""
        return _set_up(self.__dict__)

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            zone_of(name)
        except InvalidInput as error:
            raise ValueError(str(error)) from None
        return name

    @field_validator("chat_timezones")
    @classmethod
    def _known_zones(cls, zones: dict[str, str]) -> dict[str, str]:
        for name in zones.values():
            cls._known_zone(name)
        return zones

    @field_validator("delivery")
    @classmethod
    def _admin_can_be_told(cls, delivery: Delivery, info: ValidationInfo) -> Delivery:
        if delivery.admin is not None and info.data.keys() >= set(_CHATS.values()):
            receiver(delivery.admin, _set_up(info.data))
        return delivery

    @field_validator("web")
    @classmethod
    def _serves_who_calls_in(cls, web: Web | None, info: ValidationInfo) -> Web | None:
        slack, telegram = info.data.get("slack"), info.data.get("telegram")
        if web is None and slack and slack.mode == "http":
            raise ValueError(f"Slack {_CALLS_IN}, or `slack: {{mode: socket}}`")
        if web is None and telegram and telegram.mode == "webhook":
            raise ValueError(f"Telegram {_CALLS_IN}, or `telegram: {{mode: polling}}`")
        return web


_CHATS = {"console": "console", "slack": "slack", "telegram": "telegram", "webhook": "webhooks"}
"""The key that sets a chat up, by the chat's name in receivers."""

_CALLS_IN = (
    "calls the bot in this mode, so the web server must run; give `web: {listen: 127.0.0.1:8080}`"
)


def _set_up(values: Mapping[str, object]) -> Chats:
    return {chat: _targets(values[key]) for chat, key in _CHATS.items() if values.get(key)}


def _targets(section: object) -> Targets | None:
    """Return the targets that a chat's section names; None where they are the platform's own."""
    if isinstance(section, Telegram):
        return Targets(section.chats, "telegram.chats", TELEGRAM_TARGET)
    if isinstance(section, dict):
        return Targets(section, "webhooks")
    return None


FILE = Path("pulsebot.yaml")
PREFIX = "PULSEBOT_"


def load(config: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings from `config`, else from `pulsebot.yaml` in the working folder.

    Where there is no such file, the defaults hold. Variables `PULSEBOT_…` go before the file
    (`PULSEBOT_SLACK__BOT_TOKEN`; with `_FILE` at the end, the value is in the file it names).
    Raises InvalidConfig with every problem.
    """
    if config is not None and not config.is_file():
        why = "is a folder; name the file" if config.is_dir() else "there is no such file"
        raise InvalidConfig([Problem(str(config), 0, why)])
    path = config or (FILE if FILE.is_file() else None)
    return configfile.load(Settings, path, os.environ if environ is None else environ, PREFIX)
