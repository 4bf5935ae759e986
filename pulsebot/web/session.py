"""What a browser keeps after a login: a cookie that proves the token was known, and is not it.

Nothing is stored here: the cookie is signed with the token, so that another token ends every
session.
"""

import hashlib
import hmac
import re

COOKIE = "pulsebot_session"
LASTS_S = 14 * 86_400

_COOKIE = re.compile(r"([0-9]{1,12})\.([0-9a-f]{64})")


def issue(token: str, now_s: float) -> str:
    """Return a cookie's value that holds for LASTS_S seconds."""
    ends = str(int(now_s) + LASTS_S)
    return f"{ends}.{_signature(ends, token)}"


def holds(cookie: str, token: str, now_s: float) -> bool:
    """Tell whether `issue` made this value, with this token and not too long ago."""
    found = _COOKIE.fullmatch(cookie)
    if not found:
        return False
    return hmac.compare_digest(found[2], _signature(found[1], token)) and now_s < int(found[1])


def _signature(ends: str, token: str) -> str:
    return hmac.new(token.encode(), f"session until {ends}".encode(), hashlib.sha256).hexdigest()
