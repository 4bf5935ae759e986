"""What an error of Telegram means to delivery: try again, or never.

Knows the vendor's exceptions and words; the rest of the room sees only ours.
"""

from datetime import timedelta

import httpx
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
    TimedOut,
)

from pulsebot.errors import Permanent, Retryable

_NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
"""Failures that come before the request goes out."""

_TOO_MANY, _GATEWAY_TIMEOUT = "(429)", "(504)"
_SHOWN = 200  # characters of a reply; it may be a whole error page
_MENDS = {
    "chat not found": "check the id in telegram.chats, and let the bot join the chat",
    "thread not found": "the topic is gone; name another one or none",
    "not enough rights": "let an administrator allow the bot to write",
    "chat_write_forbidden": "let an administrator allow the bot to write",
    "topic_closed": "open the topic, or name another one or none",
}
"""Refusals that no other text would change, and the mend."""


def refusal(error: Exception, target: str) -> Retryable | Permanent:
    """Translate what a call for `target` raised; the text carries the mend where one is known."""
    match error:
        case TelegramError(__cause__=TelegramError()):
            return _strange(error)
        case ChatMigrated(new_chat_id=new):
            return Permanent(
                f"{target} became a supergroup: write its new id {new} into telegram.chats",
                moved_to=str(new),
            )
        case Forbidden():
            return Permanent(
                f"Telegram forbids writing to {target} ({error}): "
                "add the bot to the chat, or let the person send it /start"
            )
        case InvalidToken():
            return Retryable(
                "Telegram refuses the token: check telegram.token (and telegram.base_url)",
                whole_destination=True,
                mend=True,
            )
        case BadRequest():
            return _bad_request(str(error), target)
        case _:
            return _failed(error)


def trouble(error: Exception) -> str:
    """Say in a few words why listening failed."""
    if isinstance(error, Conflict):
        return f"another process listens with the same token ({error})"
    if isinstance(error, BadRequest):
        return f"Telegram refuses how we listen ({error})"
    return refusal(error, "Telegram").reason


def seconds(error: RetryAfter) -> float | None:
    """Return the wait that Telegram asked for; None where that is no length of time."""
    wait = error.retry_after
    try:
        return max(0.0, wait.total_seconds() if isinstance(wait, timedelta) else float(wait))
    except (TypeError, ValueError):
        return None


def _strange(error: TelegramError) -> Retryable:
    """Judge an answer whose body is not Telegram's, such as a proxy's error page.

    Whatever it says of tokens or rights, Telegram has not said it.
    """
    status = str(error).partition(". Parsing")[0]
    return Retryable(
        f"something else answers at telegram.base_url: {status}",
        whole_destination=status.endswith(_TOO_MANY),
        sent_unknown=status.endswith(_GATEWAY_TIMEOUT),
    )


def _bad_request(text: str, target: str) -> Permanent:
    lower = text.lower()
    if mend := next((mend for words, mend in _MENDS.items() if words in lower), None):
        return Permanent(f"Telegram refuses {target} ({text}): {mend}")
    # any other may be about the markup or the length: plain text costs one more attempt
    return Permanent(f"Telegram refuses the message to {target} ({text})", unformatted=True)


def _failed(error: Exception) -> Retryable:
    if isinstance(error, RetryAfter):
        after = seconds(error)
        wait = "" if after is None else f" {after:.0f} s"
        return Retryable(f"Telegram asks to wait{wait}", after=after, whole_destination=True)
    cause = error.__cause__
    if isinstance(error, TimedOut):
        return Retryable(
            f"Telegram did not answer in time ({type(cause).__name__})",
            sent_unknown=not isinstance(cause, _NOT_SENT),
        )
    if isinstance(error, NetworkError) and cause is None:  # Telegram answered: a server error
        return Retryable(f"Telegram is in trouble ({str(error)[:_SHOWN]})")
    if isinstance(error, NetworkError):
        broke = isinstance(cause, httpx.HTTPError) and not isinstance(cause, _NOT_SENT)
        return Retryable(f"cannot reach Telegram ({type(cause).__name__})", sent_unknown=broke)
    return Retryable(f"unexpected answer of Telegram ({str(error)[:_SHOWN]})", sent_unknown=True)
