import os
import shutil
import threading
from pathlib import Path

import pytest

from crawler.probes.tail import MAX_LINE, PATIENCE, Mark, Tail


def _texts(tail: Tail, looks: int = PATIENCE + 3) -> list[str]:
    return [line.text for _ in range(looks) for line in tail.read()]


def _append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return the path of a log that has one old line."""
    path = tmp_path / "app.log"
    path.write_text("old\n")
    return path


def test_begins_at_the_end_and_gives_whole_lines_only(log: Path) -> None:
    """What was there before is passed over; an unfinished line waits for its end."""
    tail = Tail(log)
    _append(log, "one\ntw")
    assert _texts(tail) == ["one"]
    _append(log, "o\r\nthree\n")
    assert _texts(tail) == ["two", "three"]
    tail.close()


def test_begins_inside_a_line_that_is_being_written(log: Path) -> None:
    """The rest of a line whose start was passed over is not given as a line."""
    _append(log, "half")
    tail = Tail(log)
    _append(log, " line\nnext\n")
    assert _texts(tail) == ["next"]
    tail.close()


def test_a_file_that_appears_later_is_read_from_its_start(tmp_path: Path) -> None:
    """The log need not exist yet."""
    tail = Tail(tmp_path / "late.log")
    assert tail.read() == []
    (tmp_path / "late.log").write_text("first\n")
    assert _texts(tail) == ["first"]
    tail.close()


def test_rotation_by_rename_loses_no_line_of_either_file(log: Path) -> None:
    """Lines written to the old file after it was renamed are given before the new ones."""
    tail = Tail(log)
    writer = log.open("a")
    log.rename(log.with_name("app.log.1"))
    log.write_text("new 1\n")
    assert tail.read() == []
    writer.write("late in the old one\nunfinished")
    writer.close()
    assert _texts(tail) == ["late in the old one", "unfinished", "new 1"]
    tail.close()


def test_truncation_begins_again(log: Path) -> None:
    """A file that became shorter is read from its start."""
    tail = Tail(log)
    _append(log, "a\n")
    assert _texts(tail) == ["a"]
    log.write_text("b\n")
    assert _texts(tail) == ["b"]
    tail.close()


def test_truncation_is_seen_although_the_file_has_grown_past_the_place(log: Path) -> None:
    """The first bytes tell that it is another content."""
    tail = Tail(log)
    log.write_text("a much longer first line than before\nsecond\n")
    assert _texts(tail) == ["a much longer first line than before", "second"]
    tail.close()


def test_copy_and_truncate_reads_the_rest_from_the_copy(log: Path) -> None:
    """Lines that were only seen by the copy are not lost."""
    tail = Tail(log)
    _append(log, "unread\n")
    shutil.copy(log, log.with_name("app.log.1"))
    log.write_text("")
    _append(log, "after\n")
    assert _texts(tail) == ["unread", "after"]
    tail.close()


def test_the_copy_is_told_from_older_ones_that_begin_alike(log: Path) -> None:
    """Each file begins with the same long banner; the rest is read from the newest."""
    banner = "=" * 300 + "\n"
    log.write_text(banner)
    tail = Tail(log)
    for age, name in enumerate(("app.log.0", "app.log.2", "app.log.3", "app.log.9")):
        log.with_name(name).write_text(banner + f"old {age}\n")
        os.utime(log.with_name(name), ns=(0, 10**18 + age * 10**9))
    _append(log, "unread\n")
    shutil.copy(log, log.with_name("app.log.1"))
    log.write_text("")
    assert _texts(tail) == ["unread"]
    tail.close()


def test_a_file_that_was_packed_meanwhile_is_missed_aloud(
    log: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What nobody can read any more is said to be lost, and the present file read whole."""
    tail = Tail(log)
    _append(log, "a\n")
    assert _texts(tail) == ["a"]
    mark = tail.mark()
    tail.close()
    log.rename(log.with_name("app.log.1.gz"))
    log.write_text("b\n")
    again = Tail(log, mark)
    assert _texts(again) == ["b"]
    assert "app.log: the file that was read before is gone" in caplog.text
    again.close()


def test_removed_and_made_anew(log: Path) -> None:
    """A file that is deleted and created again is followed."""
    tail = Tail(log)
    log.unlink()
    assert tail.read() == []
    log.write_text("again\n")
    assert _texts(tail) == ["again"]
    tail.close()


def test_goes_on_at_its_mark_after_a_restart(log: Path) -> None:
    """No line is lost and none given twice across a restart."""
    tail = Tail(log)
    _append(log, "a\nb\nhal")
    assert _texts(tail) == ["a", "b"]
    mark = tail.mark()
    tail.close()
    _append(log, "f\nc\n")
    again = Tail(log, Mark.parse(mark.dump()))
    assert _texts(again) == ["half", "c"]
    again.close()


def test_rotations_during_a_restart_are_caught_up_with(log: Path) -> None:
    """Rotated twice while nobody looked: the rest of the old file, all of the next, then ours."""
    tail = Tail(log)
    _append(log, "a\n")
    assert _texts(tail) == ["a"]
    mark = tail.mark()
    tail.close()
    _append(log, "b\n")
    log.rename(log.with_name("app.log.2"))
    log.with_name("app.log.1").write_text("c\n")
    log.write_text("d\n")
    for age, name in enumerate(("app.log.2", "app.log.1", "app.log")):
        os.utime(log.with_name(name), ns=(0, 10**18 + age * 10**9))
    again = Tail(log, mark)
    assert _texts(again, 20) == ["b", "c", "d"]
    again.close()


def test_two_rotations_in_one_tick_leave_the_growing_file_for_last(log: Path) -> None:
    """The clock cannot tell which file came first; the one at the path is not done with."""
    tail = Tail(log)
    _append(log, "a\n")
    log.rename(log.with_name("app.log.2"))
    log.with_name("app.log.1").write_text("b\n")
    log.write_text("c is no")
    for name in ("app.log.1", "app.log"):
        os.utime(log.with_name(name), ns=(0, 2 * 10**18))
    seen = _texts(tail, 20)
    _append(log, "t written yet\n")
    assert [*seen, *_texts(tail, 20)] == ["a", "b", "c is not written yet"]
    tail.close()


def test_each_line_tells_where_reading_may_resume(log: Path) -> None:
    """From a line's start it is given again, from its end it is not."""
    tail = Tail(log)
    _append(log, "a\nb\n")
    first, _ = tail.read()
    tail.close()
    for mark, expected in ((first.start, ["a", "b"]), (first.end, ["b"])):
        again = Tail(log, mark)
        assert _texts(again) == expected
        again.close()


def test_hostile_bytes_and_lengths(log: Path) -> None:
    """A giant line is cut, broken UTF-8 is replaced, zero bytes of a sparse file vanish."""
    tail = Tail(log)
    with log.open("ab") as file:
        file.write(b"x" * 1_000_000 + b"\n\xff\xfe bad\n\0\0\0ok\n")
    texts = _texts(tail, 12)
    assert [len(texts[0]), *texts[1:]] == [MAX_LINE, "\ufffd\ufffd bad", "ok"]
    tail.close()


def test_nothing_is_lost_or_repeated_while_a_writer_rotates(tmp_path: Path) -> None:
    """A writer in another thread that renames its file 20 times: every line comes once."""
    path = tmp_path / "busy.log"
    total, per_file = 20_000, 1000

    def write() -> None:
        for start in range(0, total, per_file):
            with path.open("a", buffering=1) as file:
                for number in range(start, start + per_file):
                    file.write(f"{number}\n")
            if start + per_file < total:
                path.rename(path.with_name(f"busy.log.{start:06}"))

    thread = threading.Thread(target=write)
    path.touch()
    tail = Tail(path, from_start=True)
    thread.start()
    seen: list[str] = []
    quiet = 0
    while quiet < PATIENCE * 3:
        lines = tail.read()
        seen += [line.text for line in lines]
        quiet = 0 if lines or thread.is_alive() else quiet + 1
    thread.join()
    tail.close()
    assert len(seen) == len(set(seen)), "a line came twice"
    assert sorted(map(int, seen)) == list(range(total))
