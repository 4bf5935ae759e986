from datetime import time

from pulsebot.routing.digest import Digest


def test_a_digest_is_daily_and_whole_unless_told_otherwise() -> None:
    """Every day, with every section, at a local time."""
    digest = Digest.model_validate({"at": "07:30", "tz": "Europe/Berlin", "to": "console"})
    assert (digest.at, digest.tz) == (time(7, 30), "Europe/Berlin")
    assert len(digest.days) == 7
    assert digest.include == ("triggers", "crashes", "unstable", "status")


def test_a_digest_survives_being_written_and_read() -> None:
    """What a model gives out it takes back."""
    digest = Digest.model_validate({"at": "07:30", "tz": "UTC", "to": "console", "days": "mon"})
    assert Digest.model_validate(digest.model_dump()) == digest
