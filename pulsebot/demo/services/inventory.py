"""inventory: counts things, until a signal kills it; runs under `crawler exec`."""

import logging
import os
import signal
from itertools import count

from pulsebot.demo.services.acting import TICK_S, enter

log = logging.getLogger("inventory")

COUNT_TICKS = int(5 / TICK_S)


def main() -> None:
    """Count until a signal comes, from ourselves if need be."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    acting = enter("inventory")
    for number, act in zip(count(1), acting.ticks(), strict=False):
        if number % COUNT_TICKS == 0:
            log.info("counted %d things", number)
        if act:
            log.info("about to die of %s", act)
            os.kill(os.getpid(), signal.Signals[act])


if __name__ == "__main__":
    main()
