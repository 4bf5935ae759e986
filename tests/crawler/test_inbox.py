import threading

from crawler.inbox import Hit, Inbox, Note, Tally


def _hit(time: float, name: str = "order", times: int = 1, ms: float | None = None, **tags) -> Hit:  # noqa: ANN003
    return Hit(time, name, times, ms, tags)


def test_triggers_of_one_second_become_one() -> None:
    """Same name, tags and second add up; any difference keeps them apart."""
    tally = Tally()
    for hit in (_hit(10.1), _hit(10.9, times=4), _hit(11.0), _hit(10.2, "x"), _hit(10.3, env="p")):
        tally.add(hit)
    sums = [(h.time, h.name, h.times, dict(h.tags)) for h in tally.due(99)]
    assert sums == [
        (10.1, "order", 5, {}),
        (10.2, "x", 1, {}),
        (10.3, "order", 1, {"env": "p"}),
        (11.0, "order", 1, {}),
    ]
    assert len(tally) == 0


def test_a_second_is_due_only_when_it_is_over() -> None:
    """A sum is not given out while its second may still bring more."""
    tally = Tally()
    tally.add(_hit(10.5))
    assert tally.due(10.99) == []
    assert len(tally.due(11.0)) == 1


def test_durations_are_averaged_by_count_and_kept_from_untimed_triggers() -> None:
    """The duration of a sum is the mean over its triggers, none where none was told."""
    tally = Tally()
    for hit in (_hit(1.0, ms=10), _hit(1.1, ms=40, times=2), _hit(1.2)):
        tally.add(hit)
    assert [(h.times, h.duration_ms) for h in tally.due(9)] == [(3, 30.0), (1, None)]


def test_what_does_not_fit_is_refused_and_counted_by_kind() -> None:
    """A full inbox never waits and never forgets how much it refused, in any thread."""
    inbox = Inbox(limit=10)
    note = Note(1.0, "message", "hello", {})

    def fill() -> None:
        for _ in range(100):
            inbox.put(_hit(1.0))
            inbox.put(note)

    threads = [threading.Thread(target=fill) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = len(inbox.take())
    assert 10 <= kept <= 13, "each thread may look before another one has put"
    assert sum(inbox.refused().values()) == 800 - kept
    assert inbox.put(note)
