"""What a call of the SDK costs the app's thread, against a bare `queue.put` in the same run.

    python tests/benchmarks/bench_sdk.py

Prints p50 and p99 of one call in microseconds, with the courier thread at work on a real
spool and embedded log, and the ratio of the two.
"""

import queue
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from crawler.sdk import Pulse
from pulsebot.stream.config import LocalStream

CALLS = 20_000
PAUSE_S = 0.0001
"""Between calls, as in an app that does something else too: about 6,000 calls a second."""


def measure(call: Callable[[], object]) -> tuple[float, float]:
    """Return p50 and p99 of one call in microseconds."""
    took = []
    for _ in range(CALLS):
        time.sleep(PAUSE_S)
        start = time.perf_counter_ns()
        call()
        took.append(time.perf_counter_ns() - start)
    took.sort()
    return took[CALLS // 2] / 1000, took[CALLS * 99 // 100] / 1000


def main() -> None:
    """Measure and print."""
    bare: queue.Queue[object] = queue.Queue()
    base = measure(lambda: bare.put(("trigger", "order", 1)))
    with tempfile.TemporaryDirectory() as folder:
        log = LocalStream(path=Path(folder) / "log.db")
        pulse = Pulse("svc-a", spool=Path(folder) / "spool", stream=log)
        pulse.trigger("warm up")
        rows = {
            "queue.put": base,
            "trigger": measure(lambda: pulse.trigger("order")),
            "trigger, 2 tags": measure(lambda: pulse.trigger("order", env="prod", team="a")),
            "message": measure(lambda: pulse.message("hello")),
        }
        pulse.close()
    for name, (p50, p99) in rows.items():
        ratio = f"{p50 / base[0]:.2f} / {p99 / base[1]:.2f}"
        print(f"{name:16} p50 {p50:7.2f} µs  p99 {p99:7.2f} µs  ratio to queue.put {ratio}")


if __name__ == "__main__":
    main()
