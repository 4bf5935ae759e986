"""An app that crashes all the time until it is killed; notes which crashes are on disk."""

import itertools
import uuid
from pathlib import Path

from crawler.sdk import Pulse

pulse = Pulse("svc-a")
run = uuid.uuid4().hex[:8]
with Path("confirmed.txt").open("a") as confirmed:
    for number in itertools.count():
        name = f"{run}-{number}"
        if pulse.crash(RuntimeError(name), wait_s=10):
            confirmed.write(name + "\n")
            confirmed.flush()
        print(number, flush=True)  # noqa: T201 - the test counts these lines
