"""How numbers and times are said in replies: the same everywhere.

Values in, words out: nothing here reads the store or a clock.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

_BARS = "▁▂▃▄▅▆▇█"


def change(now: int, before: int) -> str:
    """Return a count's change against another: `+12 %`, `±0 %`, or `new` where that was 0."""
    if before == 0:
        return "±0 %" if now == 0 else "new"
    percent = round(100 * (now - before) / before)
    return f"{percent:+d} %" if percent else "±0 %"


def ago(then_ms: int, now_ms: int) -> str:
    """Return how long ago something was, in its largest unit: `5 s ago`, `3 d ago`."""
    return f"{length(max(0, now_ms - then_ms))} ago"


def length(ms: int) -> str:
    """Return a length of time in its largest whole unit."""
    seconds = ms // 1000
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def moment(ms: int, zone: ZoneInfo) -> str:
    """Return a point in time as `23 Nov 14:05` in the asker's zone."""
    return reading(_local(ms, zone))


def instant(ms: int, zone: ZoneInfo, *, year: bool = False) -> str:
    """Return a point in time whole: `23 Nov 14:05:07 (Europe/Berlin, UTC+01:00)`.

    Seconds are left out where they are 0.
    """
    local = _local(ms, zone)
    seconds = f":{local:%S}" if local.second else ""
    return f"{reading(local, year=year)}{seconds} ({place(local)})"


def reading(local: datetime, *, year: bool = False) -> str:
    """Return a local time to the minute: `23 Nov 14:05`, `23 Nov 2026 14:05`."""
    return f"{local.day} {local:%b %Y %H:%M}" if year else f"{local.day} {local:%b %H:%M}"


def place(*locals_: datetime) -> str:
    """Return the zone of local times with its offset, or offsets: `Europe/Berlin, UTC+01:00`."""
    name = zone_name(str(locals_[0].tzinfo))
    if name == "UTC":
        return name
    return f"{name}, {' then '.join(dict.fromkeys(map(_offset, locals_)))}"


def zone_name(key: str) -> str:
    """Return a zone's key as people call it."""
    return "UTC" if key == "Etc/UTC" else key


def _offset(local: datetime) -> str:
    offset = local.strftime("%z")
    return f"UTC{offset[:3]}:{offset[3:5]}"


def _local(ms: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC).astimezone(zone)


def plural(count: int, word: str, words: str | None = None) -> str:
    """Return a count with its noun: `1 crash`, `1,200 crashes`."""
    return f"{count:,} {word if count == 1 else words or word + 's'}"


def size(count: int | None) -> str:
    """Return bytes as whole mebibytes, `–` where unknown."""
    return "–" if count is None else f"{count / 2**20:,.0f} MB"


def sparkline(values: Sequence[int]) -> str:
    """Return one bar for each value, scaled to the largest; empty where all are 0."""
    top = max(values, default=0)
    if top == 0:
        return ""
    return "".join(_BARS[round(value / top * (len(_BARS) - 1))] for value in values)
