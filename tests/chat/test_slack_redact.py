import logging

import pytest

from pulsebot.chat.slack.redact import log, redact


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("token xoxb-12-ab_c!", "token [redacted]!"),
        ("Bearer xapp-1-A0-zz", "Bearer [redacted]"),
        ("wss://h/link/?ticket=abc-1&app_id=2", "wss://h/link/?ticket=[redacted]&app_id=2"),
        ("post https://hooks.slack.com/commands/T1/2/x now", "post [redacted] now"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_secrets_are_blotted_out(said: str, written: str) -> None:
    """Tokens, tickets and response URLs, and nothing else."""
    assert redact(said) == written


def test_the_sdks_log_writes_no_secret_and_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """Not even where the secret is an argument, or in the exception."""
    error = ConnectionError("wss://h/?ticket=abc")
    log.error("failed with %s: %s", "xoxb-1-2", error, exc_info=error)
    log.info("too talkative")
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert caplog.messages == ["failed with [redacted]: wss://h/?ticket=[redacted]"]
    assert "ConnectionError" not in caplog.text
