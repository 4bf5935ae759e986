"""The logger that is given to Slack's libraries: warnings only, without secrets.

Their debug level writes whole requests and answers, their tracebacks tickets of connections.
"""

import logging
import re

_SECRETS = re.compile(
    r"xox[a-z]-[\w-]+|xapp-[\w-]+|(?<=ticket=)[^&\s'\"]+|https?://hooks\.slack\.com/[^\s'\"]+"
)


def redact(text: str) -> str:
    """Return a text with tokens, tickets and response URLs blotted out."""
    return _SECRETS.sub("[redacted]", text)


class _Redacted(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = redact(record.getMessage())
        record.args = None
        record.exc_info = record.exc_text = None  # the message names the error already
        return True


log = logging.getLogger("pulsebot.chat.slack.sdk")
log.setLevel(logging.WARNING)
log.addFilter(_Redacted())
