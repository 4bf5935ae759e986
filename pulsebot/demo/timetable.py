"""The timetables: what befalls each little service, and when.

Faults are real; only their moments are set, so that the screen stays readable. This module
must not know how a service does what is named here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Act = tuple[float, str]
"""Seconds after the service's first start, and what it does then."""

SceneName = Literal["live", "script"]


@dataclass(frozen=True, slots=True)
class Scene:
    """Acts of each service, in order; with `period_s` they begin again and again."""

    acts: Mapping[str, tuple[Act, ...]]
    period_s: float | None = None

    def act(self, service: str, number: int) -> Act | None:
        """Return the act of this number, counted from 0 over all periods; None: no more."""
        acts = self.acts.get(service, ())
        if not acts or (self.period_s is None and number >= len(acts)):
            return None
        period, index = divmod(number, len(acts))
        at_s, name = acts[index]
        return at_s + period * (self.period_s or 0), name


SCENES: Mapping[SceneName, Scene] = {
    "live": Scene(
        {
            "checkout": (
                (7, "coupon"),
                (22, "low-stock"),
                (140, "split-bill"),
                (205, "big-order"),
                (215, "courier"),
            ),
            "payment": ((34, "slow"), (52, "well"), (165, "failing"), (185, "well")),
            "inventory": ((75, "SIGSEGV"), (230, "SIGKILL")),
            "mailer": ((60, "rotate"), (95, "warn"), (115, "trace"), (200, "rotate")),
        },
        period_s=240,
    ),
    # Nothing here ends by itself: whoever watches may come as late as they like.
    "script": Scene(
        {
            "checkout": ((4, "coupon"), (5, "low-stock"), (9, "rest")),
            "payment": ((1, "failing"),),
            "inventory": ((2, "SIGSEGV"),),
            "mailer": ((1, "warn"), (2, "trace")),
        }
    ),
}
