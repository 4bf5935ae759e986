"""HTTP to the Bot API that never shows the token, which is part of every address there.

Replies are cleaned before the library puts them into errors or logs (a proxy's error page may
echo the address it was asked for).
"""

import logging
import os
from typing import Any

from telegram.request import HTTPXRequest

REDACTED = b"<token>"
REPLY_S = 15.0
"""Seconds that Telegram has to answer; long polls add their own."""


class RedactingRequest(HTTPXRequest):
    """Removes the token from whatever comes back."""

    def __init__(self, token: str) -> None:
        super().__init__(read_timeout=REPLY_S)
        self._token = token.encode()

    async def do_request(self, *args: Any, **kwargs: Any) -> tuple[int, bytes]:  # noqa: ANN401 - passed on as they are
        """See HTTPXRequest.do_request."""
        code, payload = await super().do_request(*args, **kwargs)
        return code, payload.replace(self._token, REDACTED)


def silence() -> None:
    """Quieten the loggers that write addresses, and opt in to durations as timedelta.

    httpx logs each address at INFO, telegram.Bot its own at DEBUG; telegram.request each answer
    that is no JSON, with a traceback, where our own words say it. Without the opt-in the library
    warns of a deprecation on each HTTP 429.
    """
    logging.getLogger("telegram.request").setLevel(logging.CRITICAL)
    for name in ("httpx", "telegram"):
        logging.getLogger(name).setLevel(logging.WARNING)
    os.environ.setdefault("PTB_TIMEDELTA", "1")
