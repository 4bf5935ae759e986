"""The windows that the board's numbers are of, at one moment in its zone."""

from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from pulsebot.civil import local_midnight, local_time
from pulsebot.window import DAY_MS, QUARTER_MS, bucket_start, hours

SPARK_HOURS = 24


@dataclass(frozen=True, slots=True)
class Spans:
    """Starts of today, of this week (Monday), and of the last 24 hours of the clock."""

    zone: ZoneInfo
    today_ms: int
    week_ms: int
    hours_ms: tuple[int, ...]

    @property
    def first_ms(self) -> int:
        """The earliest time that triggers are needed from: a day may have 25 hours."""
        return bucket_start(min(self.today_ms, self.hours_ms[0]), QUARTER_MS)


def spans(now_ms: int, zone: ZoneInfo) -> Spans:
    """Return the windows as of now."""
    day = local_time(now_ms, zone).date()
    monday = day - timedelta(days=day.weekday())
    pieces = hours(now_ms - DAY_MS, now_ms + 1, zone)[-SPARK_HOURS:]
    return Spans(
        zone,
        local_midnight(day, zone),
        local_midnight(monday, zone),
        tuple(piece.start_ms for piece in pieces),
    )
