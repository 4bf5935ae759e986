"""mailer: writes a log file, in the style of a Java service, and rotates it now and then.

It knows nothing of pulsebot: the crawler's log probe reads what it writes, and its process
probe watches the process of the pid file.
"""

import os
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from pulsebot.demo.services.acting import TICK_S, enter

MAIL_TICKS = int(1.5 / TICK_S)

TRACE = """\
java.net.SocketTimeoutException: smtp.example:587 did not answer within 30000 ms
\tat com.example.mailer.Smtp.connect(Smtp.java:88)
\tat com.example.mailer.Outbox.send(Outbox.java:41)
\tat com.example.mailer.Worker.run(Worker.java:19)
Caused by: java.io.IOException: connection reset by peer
\tat com.example.mailer.Smtp.read(Smtp.java:131)
\t... 3 more"""


def main() -> None:
    """Send mail until stopped."""
    acting = enter("mailer")
    (acting.folder / "mailer.pid").write_text(f"{os.getpid()}\n", "ascii")
    log = acting.folder / "mailer.log"
    for number, act in zip(count(1), acting.ticks(), strict=False):
        if number % MAIL_TICKS == 0:
            write(log, f"INFO  sent receipt to customer {4000 + number} in {60 + number % 40} ms")
        match act:
            case "warn":
                write(log, "WARN  the queue is growing: 120 mails wait")
            case "trace":
                write(log, f"ERROR worker-2 died: {TRACE}")
            case "rotate":
                log.replace(log.with_suffix(".log.1"))


def write(log: Path, line: str) -> None:
    """Write one entry with its time."""
    with log.open("a", encoding="utf-8") as file:
        file.write(f"{datetime.now(UTC).isoformat(timespec='milliseconds')} {line}\n")


if __name__ == "__main__":
    main()
