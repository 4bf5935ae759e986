import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crawler.origin import Origin
from crawler.spool import Limits, Spool
from pulsebot.errors import StoreError
from pulsebot.event import AppMessage, decode

AT = datetime(2026, 11, 23, 10, tzinfo=UTC)
SVC = Origin("svc-a", "host-1")


def _triggers(count: int) -> list:
    return [SVC.trigger(AT, name=f"n{i}") for i in range(count)]


def test_numbers_from_one_without_gaps_and_goes_on_after_reopening(tmp_path: Path) -> None:
    """The sequence continues and the producer stays when the file is opened again."""
    path = tmp_path / "spool-1.db"
    first = Spool(path)
    assert first.append(_triggers(3)) == 3
    first.done(3)
    first.close()
    second = Spool(path)
    second.append(_triggers(2))
    assert second.producer == first.producer
    assert [item.sequence for item in second.take(10)] == [4, 5]
    second.close()


def test_the_wire_form_carries_producer_and_sequence(tmp_path: Path) -> None:
    """What is taken out decodes to the event with its number."""
    spool = Spool(tmp_path / "spool-1.db")
    event = SVC.trigger(AT, name="order", count=7)
    spool.append([event])
    (item,) = spool.take(10)
    decoded = decode(item.value)
    assert (decoded.producer, decoded.sequence) == (spool.producer, 1)
    assert (decoded.id, decoded.data.count) == (event.id, 7)
    spool.close()


def test_events_stay_until_they_are_done(tmp_path: Path) -> None:
    """Taking does not remove; done removes up to the sequence and no further."""
    spool = Spool(tmp_path / "spool-1.db")
    spool.append(_triggers(5))
    assert len(spool.take(3)) == 3
    assert spool.pending == 5
    spool.done(3)
    assert [item.sequence for item in spool.take(10)] == [4, 5]
    assert spool.pending == 2
    spool.close()


def test_a_full_spool_refuses_counts_and_reports(tmp_path: Path) -> None:
    """Refused events survive a restart as a count and become one message when there is room."""
    path = tmp_path / "spool-1.db"
    spool = Spool(path, Limits(events=100))
    assert spool.append(_triggers(120)) == 90
    spool.close()
    spool = Spool(path, Limits(events=100))
    spool.done(50)
    last = decode(spool.take(1000)[-1].value)
    assert isinstance(last, AppMessage)
    assert "30 trigger event(s) of svc-a were lost" in last.data.text
    assert last.data.level == "error"
    assert last.sequence == 91
    spool.close()


def test_room_is_kept_for_crashes_when_the_rest_fills_the_spool(tmp_path: Path) -> None:
    """A flood of triggers keeps neither states nor a crash out, one of states no crash."""
    spool = Spool(tmp_path / "spool-1.db", Limits(events=100))
    assert spool.append(_triggers(200)) == 90
    assert spool.append([SVC.status(AT, "up") for _ in range(50)]) == 5
    assert spool.append([SVC.crash(AT, "ValueError")]) == 1
    spool.close()


def test_the_limit_in_bytes_holds(tmp_path: Path) -> None:
    """The spool is full by size as well as by number."""
    spool = Spool(tmp_path / "spool-1.db", Limits(bytes=10_000))
    taken = spool.append([SVC.message(AT, "x" * 1000) for _ in range(20)])
    assert 5 <= taken <= 9
    spool.close()


def test_an_event_too_large_for_the_stream_is_refused_not_stuck(tmp_path: Path) -> None:
    """An event that no stream would take is counted as lost; later ones go on."""
    spool = Spool(tmp_path / "spool-1.db")
    big = SVC.message(AT, "ok")
    big = type(big)(
        specversion="1.0", id="1", service="svc-a", time=AT,
        data=type(big.data)(text="x" * 1_100_000),
    )  # fmt: skip
    assert spool.append([big, SVC.trigger(AT)]) == 1
    spool.done(1)
    assert "1 message event(s)" in decode(spool.take(1)[0].value).data.text
    spool.close()


def test_a_failed_append_leaves_no_gap(tmp_path: Path) -> None:
    """When the disk is full nothing is half stored, and the sequence has no hole afterwards."""
    spool = Spool(tmp_path / "spool-1.db")
    spool.append(_triggers(1))
    pages = spool._db.execute("PRAGMA page_count").fetchone()[0]
    spool._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match=r"cannot write the spool .*full"):
        spool.append([SVC.message(AT, "x" * 8000) for _ in range(10)])
    assert spool.pending == 1
    spool._db.execute("PRAGMA max_page_count = 100000")
    spool.append(_triggers(1))
    assert [item.sequence for item in spool.take(10)] == [1, 2]
    spool.close()


def test_a_batch_is_bounded_in_bytes(tmp_path: Path) -> None:
    """Many large events are taken in several batches."""
    spool = Spool(tmp_path / "spool-1.db")
    spool.append([SVC.crash(AT, "E", stack="s" * 64_000) for _ in range(40)])
    assert 15 <= len(spool.take(500)) <= 17
    spool.close()


def test_a_file_that_is_no_spool_is_told(tmp_path: Path) -> None:
    """Garbage in the file is a StoreError that names it."""
    path = tmp_path / "spool-1.db"
    path.write_bytes(b"not a database, only text " * 100)
    with pytest.raises(StoreError, match=r"spool-1\.db") as caught:
        Spool(path)
    assert isinstance(caught.value.__cause__, sqlite3.DatabaseError)
