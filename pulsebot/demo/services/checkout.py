"""checkout: takes orders, and tells of them by the SDK; dies of uncaught exceptions.

Every trigger is also written to a file of its own, so that the bot's count can be checked
against what really happened.
"""

import time
from itertools import count, cycle
from typing import TextIO

from crawler.sdk import Pulse
from pulsebot.demo.services.acting import TICK_S, Acting, enter

BEAT_TICKS = int(10 / TICK_S)
"""Ticks between two words that all is well."""

COUPONS = {"SPRING": 10, "SUMMER": 15}

RHYTHM = ("order", "", "order", "order", "", "order", "refund", "")
"""What each tick brings: two or three triggers a second."""


def main() -> None:
    """Sell until stopped, or until an order is too much for us."""
    acting = enter("checkout")
    pulse = Pulse("checkout", instance="checkout-1", config=acting.folder / "crawler.yaml")
    pulse.install_excepthook()
    pulse.status("starting")
    with (acting.folder / "checkout-sent.txt").open("a", encoding="ascii", buffering=1) as sent:
        sell(acting, pulse, sent)


def sell(acting: Acting, pulse: Pulse, sent: TextIO) -> None:
    """Trigger to the rhythm, and act when it is time."""
    resting = False
    for number, event, act in zip(count(), cycle(RHYTHM), acting.ticks(), strict=False):
        if number % BEAT_TICKS == 0:
            pulse.status("up")
        if event and not resting:
            pulse.trigger(event)
            sent.write(f"{time.time()} {event}\n")
        match act:
            case "coupon":
                price(120, "WINTER")
            case "split-bill":
                split(120, [])
            case "courier":
                ship("order-4711")
            case "low-stock":
                pulse.message("Only 3 espresso machines left in stock", level="warning")
            case "big-order":
                pulse.message("Somebody ordered 40 espresso machines at once")
            case "rest":
                resting = True
                sent.write(f"{time.time()} rest\n")


def price(amount: int, coupon: str) -> int:
    """Take a coupon's discount off; KeyError for a coupon of last year."""
    return amount - discount(coupon)


def discount(coupon: str) -> int:
    """Look the coupon up."""
    return COUPONS[coupon]


def split(amount: int, guests: list[str]) -> int:
    """Share the bill; ZeroDivisionError when everybody has left."""
    return amount // len(guests)


def ship(order: str) -> None:
    """Hand the parcel over; the courier's office is closed."""
    raise ConnectionRefusedError(f"courier.example:443 refused the parcel of {order}")


if __name__ == "__main__":
    main()
