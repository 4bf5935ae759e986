from pulsebot.store import outbox
from pulsebot.store.database import Connection
from pulsebot.store.outbox import Draft


def _draft(name: str, receiver: str = "slack:#a", priority: int = 0) -> Draft:
    return Draft(name, receiver, b"{}", "alert", priority)


def _heads(connection: Connection) -> list[str]:
    return [row.id for row in outbox.heads(connection)]


def test_same_id_is_put_once(connection: Connection) -> None:
    """A decision that is made again does not send again."""
    assert outbox.add(connection, [_draft("x")], 1) == 1
    assert outbox.add(connection, [_draft("x")], 2) == 0
    assert _heads(connection) == ["x"]


def test_each_receiver_has_its_own_head(connection: Connection) -> None:
    """The oldest of the most urgent comes first, for each receiver by itself."""
    outbox.add(
        connection,
        [
            _draft("digest", priority=1),
            _draft("first"),
            _draft("second"),
            _draft("other", "console"),
        ],
        1,
    )
    assert sorted(_heads(connection)) == ["first", "other"]


def test_sent_and_failed_make_room(connection: Connection) -> None:
    """The next one moves up once the fate of the first is noted."""
    outbox.add(connection, [_draft("a"), _draft("b"), _draft("c")], 1)
    first = outbox.heads(connection)[0]
    outbox.begin(connection, [first.seq])
    outbox.sent(connection, first.seq, 2, ("C1", "17.4"))
    second = outbox.heads(connection)[0]
    assert second.id == "b"
    outbox.give_up(connection, second.seq, "channel gone")
    assert _heads(connection) == ["c"]


def test_sending_becomes_uncertain_after_a_crash(connection: Connection) -> None:
    """What was being sent when the process died is known to be uncertain."""
    outbox.add(connection, [_draft("a"), _draft("b")], 1)
    outbox.begin(connection, [outbox.heads(connection)[0].seq])
    assert outbox.recover(connection) == 1
    head = outbox.heads(connection)[0]
    assert (head.id, head.state, head.attempts, head.uncertain) == ("a", "uncertain", 1, 1)


def test_retry_keeps_the_order(connection: Connection) -> None:
    """A message that must wait holds back later ones to the same receiver, not others."""
    outbox.add(connection, [_draft("a"), _draft("b"), _draft("c", "console")], 1)
    first = next(row for row in outbox.heads(connection) if row.id == "a")
    outbox.begin(connection, [first.seq])
    outbox.retry(connection, first.seq, 5_000, "429")
    assert sorted(_heads(connection)) == ["a", "c"]
    assert next(row for row in outbox.heads(connection) if row.id == "a").due_ms == 5_000


def test_depth_counts_what_is_open(connection: Connection) -> None:
    """Waiting and sending count; what is done does not."""
    outbox.add(connection, [_draft("a"), _draft("b")], 7)
    outbox.add(connection, [_draft("c")], 9)
    outbox.give_up(connection, outbox.heads(connection)[0].seq, "gone")
    assert outbox.depth(connection) == {"slack:#a": (2, 7)}
