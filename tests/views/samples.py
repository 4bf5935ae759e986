"""What several tests of views share."""

from datetime import UTC, datetime

AT = datetime(2026, 11, 23, 11, 30, tzinfo=UTC)
"""The time of sample events."""
