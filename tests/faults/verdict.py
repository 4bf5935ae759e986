"""What must hold after a fault: the views equal the oracle's, and every notification came."""

from collections import Counter

from pulsebot import message as messages
from tests.fakes.slack import FakeSlack, channel_id
from tests.faults.rig import Rig
from tests.faults.workload import SERVICES, Expected

AGAIN = "You may have received this before"


def check_views(rig: Rig, expected: Expected) -> None:
    """Check the counts by minute, and the crashes by error."""
    rows = rig.rows(
        "SELECT kind, service, start_ms, sum(count) FROM (SELECT * FROM count_1m UNION ALL"
        " SELECT * FROM count_15m) WHERE kind IN ('trigger', 'crash', 'message') GROUP BY 1, 2, 3"
    )
    assert {row[:3]: row[3] for row in rows} == expected.counts
    crashes = rig.rows(
        "SELECT service, error, sum(count) FROM crash_count"
        " JOIN crash_group USING (service, fingerprint) GROUP BY 1, 2"
    )
    assert {row[:2]: row[2] for row in crashes} == expected.crashes


def check_notifications(rig: Rig, slack: FakeSlack, expected: Expected) -> None:
    """Check that each arrived, and that each repetition says so and has a gap behind it."""
    channels = {channel_id(f"#{service}"): service for service in SERVICES}
    arrived, unannounced = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for message in slack.messages:
        icon_and_title = message.shown.split("\n", 1)[0]
        about = channels[message.channel], icon_and_title.split(" ", 1)[1]
        arrived[about] += 1
        unannounced[about] += AGAIN not in message.shown
    assert set(arrived) == expected.titles
    assert {about: n for about, n in unannounced.items() if n > 1} == {}
    gaps = _gaps(rig)
    assert {about: n for about, n in arrived.items() if n > 1 + gaps[about]} == {}


def _gaps(rig: Rig) -> Counter[tuple[str, str]]:
    rows = rig.rows("SELECT receiver, message, uncertain FROM outbox WHERE state = 'sent'")
    return Counter(
        {(to.removeprefix("slack:#"), messages.decode(said).title): n for to, said, n in rows}
    )
