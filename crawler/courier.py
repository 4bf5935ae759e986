"""The courier: the one thread inside an app that does everything slow for the SDK.

Here is what the app's own threads touch: making it, waking it, and seeing to its end, which
loads nothing but the standard library. What the thread does is `crawler.round`, which it
loads itself. Nothing here may raise into the app.

This module must not know the SDK's public face.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from crawler.inbox import HURRY_AT, Inbox
from pulsebot.stream.forking import whole

if TYPE_CHECKING:
    from pulsebot.stream.base import Writer
    from pulsebot.stream.config import StreamSettings

log = logging.getLogger(__name__)

LOAD_S = 10.0
"""How long whoever closes waits for a thread that still loads its libraries: until it has, not
even what an app said in its last moment is on disk."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the app asked for; None: as the settings say."""

    service: str
    instance: str | None = None
    tags: Mapping[str, object] | None = None
    stream: "StreamSettings | None" = None
    spool: Path | None = None
    config: Path | None = None
    open_writer: "Callable[[StreamSettings], Writer] | None" = None


class Courier(threading.Thread):
    """Runs until `close`; a daemon, so that a stuck stream never keeps an app from ending."""

    def __init__(self, inbox: Inbox, plan: Plan) -> None:
        super().__init__(name="pulse-courier", daemon=True)
        self.inbox = inbox
        self.plan = plan
        self.deadline: float | None = None
        """When publishing ends, in the time of `time.monotonic`; None: nobody closes yet."""
        self._ring: Callable[[bool], None] | None = None
        self._noticed = False
        self._hurried = False
        self._loaded = threading.Event()

    def notice(self, *, urgent: bool = False) -> None:
        """Say that the inbox has something; cheap when said often, from any thread."""
        if not self._noticed:
            self._noticed = True
            self._wake(hurry=False)
        if not self._hurried and (urgent or len(self.inbox) > HURRY_AT):
            self._hurried = True
            self._wake(hurry=True)

    def attend(self) -> None:
        """Want to be woken by the next `notice`; said before the inbox is emptied."""
        self._noticed = self._hurried = False

    def listen(self, ring: Callable[[bool], None]) -> None:
        """Be woken by `ring` from now on, which any thread may call; true means at once."""
        self._ring = ring
        self._loaded.set()

    def close(self, within_s: float) -> None:
        """Store what there is, publish what can be published within the time, and end."""
        self._loaded.wait(LOAD_S)
        self.deadline = time.monotonic() + within_s
        self._wake(hurry=True)
        self.join(within_s + 0.5)

    def run(self) -> None:
        """Body of the thread."""
        try:
            with whole():
                from crawler.round import go  # noqa: PLC0415 - takes far too long for the app
            go(self)
        except Exception:  # the app must go on whatever befalls us
            log.exception("pulse is off: events of %s are lost", self.plan.service)
        finally:
            self._loaded.set()

    def _wake(self, *, hurry: bool) -> None:
        if self._ring is not None:
            try:
                self._ring(hurry)
            except RuntimeError:  # the loop is closed: the thread has ended
                log.debug("the courier has ended")
