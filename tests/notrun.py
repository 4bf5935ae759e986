"""An honest word for tests that cannot run on this machine: left out, counted, and named."""

from typing import NoReturn

import pytest

NOT_RUN = pytest.StashKey[dict[str, tuple[str, str]]]()
"""Test id to what it needs (Kafka, Chromium) and why that is not there."""


def not_run(request: pytest.FixtureRequest, needed: str, reason: str) -> NoReturn:
    """Leave a test out for want of something; the end of the run tells."""
    request.config.stash[NOT_RUN][request.node.nodeid] = needed, reason
    pytest.skip(f"no {needed}: {reason}")
