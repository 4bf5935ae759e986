"""How the board says numbers, times and names: markup for one cell each.

Everything from events goes through `Markup.format`, which escapes it.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from hashlib import blake2s
from unicodedata import category
from urllib.parse import quote
from zoneinfo import ZoneInfo

from markupsafe import Markup

from pulsebot import phrases
from pulsebot.civil import local_time
from pulsebot.web.board.spans import Spans

SHORT = 160
"""Characters of a text that a cell shows."""


def number(value: float) -> str:
    """Return a number with thousands set apart; to three digits where it is not whole."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3g}"


def key(service: str) -> str:
    """Return a short stable id of a service, fit for an HTML id."""
    return f"s{blake2s(service.encode(), digest_size=6).hexdigest()}"


def address(service: str) -> str:
    """Return the path of a service's page.

    Browsers resolve dots away, and routers stop at line breaks: such names go in Base64, after
    a tilde.
    """
    if service in {".", ".."} or service.startswith("~") or not service.isprintable():
        return f"/services/~{urlsafe_b64encode(service.encode()).decode()}"
    return f"/services/{quote(service, safe='')}"


def named(part: str) -> str:
    """Return the service that the decoded last part of an address names."""
    if not part.startswith("~"):
        return part
    try:
        return urlsafe_b64decode(part[1:]).decode()
    except ValueError:
        return part


def clock(ms: int, today_ms: int, zone: ZoneInfo) -> Markup:
    """Return a time as `14:03`, with the date where it is not of today."""
    local = local_time(ms, zone)
    told = f"{local:%H:%M}" if ms >= today_ms else f"{local.day} {local:%b} {local:%H:%M}"
    stamp = datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")
    return Markup('<time datetime="{}">{}</time>').format(stamp, told)


def second(ms: int, zone: ZoneInfo) -> Markup:
    """Return a time to the second, with its date: `23 Nov 14:03:12`."""
    local = local_time(ms, zone)
    stamp = datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
    return Markup('<time datetime="{}">{}</time>').format(
        stamp, f"{local.day} {local:%b} {local:%H:%M:%S}"
    )


def midnight(ms: int, zone: ZoneInfo) -> str:
    """Return where a day or week begins: `Mon 23 Nov 00:00`."""
    local = local_time(ms, zone)
    return f"{local:%a} {local.day} {local:%b %H:%M}"


def windows(spans: Spans) -> str:
    """Return what today and this week are."""
    today, week = (midnight(ms, spans.zone) for ms in (spans.today_ms, spans.week_ms))
    return f"Today is since {today}, this week since {week}; {zone_name(spans.zone)}"


def short(text: str, limit: int = SHORT) -> str:
    """Return the first characters of a text, in one line."""
    line = " ".join(text[: 4 * limit].split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def one_line(text: str) -> str:
    """Return a text without its line breaks, otherwise as it is."""
    return " ".join(text.splitlines())


def visible(name: str) -> str:
    """Return a name to be read: as it is, or, where nothing would be seen of it, as a literal."""
    seen = any(category(char)[0] in "LNPS" for char in name)
    return name if seen else ascii(name)


def state(name: str) -> Markup:
    """Return a state as a word with its mark; the style sheet gives shape and colour."""
    return Markup('<span class="state s-{}" data-state="{}">{}</span>').format(
        name, name, "no status" if name == "silent" else name
    )


def zone_name(zone: ZoneInfo) -> str:
    """Return a zone as people call it."""
    return phrases.zone_name(zone.key)


def hour(ms: int, zone: ZoneInfo) -> str:
    """Return a time of day: `14:00`."""
    return f"{local_time(ms, zone):%H:%M}"


def link(target: str) -> Markup:
    """Return a link that an event brought along: to follow only where it is a web address."""
    text = short(target, 80)
    if not target.startswith(("https://", "http://")):
        return Markup("<bdi>{}</bdi>").format(text)
    return Markup('<a href="{}" rel="noopener noreferrer nofollow"><bdi>{}</bdi></a>').format(
        target, text
    )
