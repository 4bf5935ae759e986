"""A clock that stands still until it is set."""


class ManualClock:
    """Call it for the time in milliseconds since the epoch."""

    def __init__(self, now_ms: int = 1_780_000_000_000) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        """Return the time."""
        return self.now_ms

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now_ms += int(seconds * 1000)
