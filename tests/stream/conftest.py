"""What tests of the embedded log share."""

from pathlib import Path

import pytest

from pulsebot.stream.config import LocalStream, Topics


@pytest.fixture
def settings(tmp_path: Path) -> LocalStream:
    """Return the settings of a new log with one topic, `t`."""
    return LocalStream(path=tmp_path / "log.db", topics=Topics(read=["t"]))
