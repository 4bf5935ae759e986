"""Windows of event time, and the buckets they are summed from.

Every civil day of every zone is an exact sum of 15-minute buckets, because offsets are
multiples of 15 minutes (since 1972 no zone has had another). Values in, values out.
"""

MINUTE_MS = 60_000
"""Width of a recent bucket."""

QUARTER_MS = 15 * MINUTE_MS
"""Width of an older bucket."""


def bucket_start(time_ms: int, width_ms: int) -> int:
    """Return the start of the bucket that a time lies in."""
    return time_ms - time_ms % width_ms


def widen(start_ms: int, end_ms: int, width_ms: int = MINUTE_MS) -> tuple[int, int]:
    """Return the smallest range of whole buckets that holds [start_ms, end_ms)."""
    return bucket_start(start_ms, width_ms), end_ms + -end_ms % width_ms
