"""Translates Slack's answers and broken connections into Retryable and Permanent.

Reasons are for people: plain words with the mend, never a token nor an answer's raw text.
Whether and when to try again is not decided here.

https://docs.slack.dev/reference/methods/chat.postMessage#errors
"""

import math
import re
from collections.abc import Mapping

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from pulsebot.errors import Permanent, Retryable

_TOO_MANY = 429
_SERVER_FAULT = 500
_GATEWAY_TIMEOUT = 504

_RATE = {"ratelimited", "rate_limited", "message_limit_exceeded"}
_TRANSIENT = {
    "accesslimited",
    "fatal_error",
    "internal_error",
    "request_timeout",
    "service_unavailable",
    "team_added_to_org",
}
_PERHAPS_DONE = {"fatal_error", "internal_error", "request_timeout"}
"""Of these Slack says that some of the operation may have succeeded."""
_INVITE = "invite the bot there: /invite @pulsebot"
_TOKEN = "check slack.bot_token (and, in Socket Mode, slack.app_token)"  # noqa: S105 - a hint, not a secret
_REASONS = {
    "account_inactive": f"the bot was removed from the workspace: install it again and {_TOKEN}",
    "channel_not_found": f"there is no such channel, or it is private: {_INVITE}",
    "invalid_auth": f"the token is not valid: {_TOKEN}",
    "is_archived": "the channel is archived: unarchive it, or send elsewhere",
    "messages_tab_disabled": "direct messages are switched off: use the app's current manifest",
    "missing_scope": "the app lacks a permission: install it again with its current manifest",
    "not_allowed_token_type": f"this kind of token cannot post: {_TOKEN}, it begins with xoxb-",
    "not_authed": f"no token was given: {_TOKEN}",
    "not_in_channel": f"the bot is not in the channel: {_INVITE}",
    "org_login_required": "the workspace is being moved to an organisation: install the app again",
    "restricted_action": "the workspace does not let the bot post there: ask its administrators",
    "restricted_action_read_only_channel": "the channel is read-only: let the bot post there",
    "token_expired": f"the token has expired: {_TOKEN}",
    "token_revoked": f"the token was revoked: install the app again and {_TOKEN}",
    "user_not_found": "there is no such user: give the member id, such as @U0123456789",
}

_ACCOUNT = {
    "account_inactive",
    "invalid_auth",
    "missing_scope",
    "not_allowed_token_type",
    "not_authed",
    "org_login_required",
    "token_expired",
    "token_revoked",
}
"""Refusals of our account, not of the message: it waits until somebody mends that."""


def translate(
    error: Exception, target: str = "", *, formatted: bool = True
) -> Retryable | Permanent:
    """Return what a failed call means.

    `target` is where a message was to go, `formatted` whether it carried markup.
    """
    match error:
        case SlackApiError(response=AsyncSlackResponse() as answer):
            data: object = answer.data
            code = data.get("error") if isinstance(data, dict) else None
            known = refused(answer.status_code, answer.headers)
            return known or _refusal(answer.status_code, code, target, formatted=formatted)
        case SlackApiError(response=aiohttp.ClientResponse() as answer):
            known = refused(answer.status, answer.headers)
            return known or _refusal(answer.status, None, target, formatted=formatted)
        case aiohttp.InvalidURL():
            return Permanent("the address of Slack is not a URL: check slack.base_url")
        case _:
            return _broken(error)


def _broken(error: Exception) -> Retryable:
    match error:
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
            return Retryable("Slack cannot be reached")
        case TimeoutError():
            return Retryable("Slack did not answer in time", sent_unknown=True)
        case aiohttp.ClientError() | OSError():
            return Retryable("the connection to Slack broke", sent_unknown=True)
        case _:
            return Retryable("Slack's answer could not be understood", sent_unknown=True)


def refused(status: int, headers: Mapping[str, str]) -> Retryable | None:
    """Return what an HTTP status alone tells: too many requests, a server's fault, or nothing."""
    after = _seconds(headers.get("Retry-After"))
    if status == _TOO_MANY:
        return Retryable("Slack asks us to slow down", after=after, whole_destination=True)
    if status >= _SERVER_FAULT:
        unknown = status == _GATEWAY_TIMEOUT
        return Retryable(f"Slack answered with status {status}", after=after, sent_unknown=unknown)
    return None


def _refusal(status: int, code: object, target: str, *, formatted: bool) -> Retryable | Permanent:
    if not isinstance(code, str) or not re.fullmatch(r"[a-z0-9_]{1,80}", code):
        done = 200 <= status < 300  # noqa: PLR2004 - the range that HTTP calls successful
        return Retryable(f"Slack's answer ({status}) could not be understood", sent_unknown=done)
    if code in _RATE:
        return Retryable("Slack asks us to slow down", whole_destination=True)
    if code in _TRANSIENT:
        return Retryable(f"Slack has a problem ({code})", sent_unknown=code in _PERHAPS_DONE)
    refuses = f"Slack refuses messages to {target}" if target else "Slack refuses"
    if code in _ACCOUNT:
        return Retryable(f"{refuses}: {_REASONS[code]} ({code})", whole_destination=True, mend=True)
    if code in _REASONS:
        return Permanent(f"{refuses}: {_REASONS[code]} ({code})")
    # a refusal that we do not know may be about the markup: plain text costs one more attempt
    return Permanent(f"{refuses} ({code})", unformatted=formatted)


def _seconds(retry_after: str | None) -> float | None:
    try:
        seconds = float(retry_after or "")
    except ValueError:
        return None
    return seconds if 0 <= seconds < math.inf else None
