"""Records that are no events: refused with reasons, kept, looked at and retried by people."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.slack import FakeSlack
from tests.faults.rig import Rig, event
from tests.faults.workload import RULES


def _trigger(service: str = "svc-1", count: Any = 1, **more: Any) -> bytes:
    return json.dumps(event("trigger", service, {"count": count}, **more)).encode()


def _nested() -> bytes:
    good = _trigger().decode().rstrip("}")
    return f'{good}, "extra": {"[" * 100_000}{"]" * 100_000}}}}}'.encode()


POISON = {
    "not JSON": (b'{"specversion": "1.0", ', "not JSON"),
    "not UTF-8": (_trigger().replace(b"svc-1", b"\xff\xfe"), "not JSON"),
    "no object": (b"[1, 2, 3]", "not a valid event"),
    "nothing": (b"", "not JSON"),
    "a text for a number": (_trigger(count="3"), "$.data.count"),
    "a count below one": (_trigger(count=0), "$.data.count"),
    "a bool for a number": (_trigger(count=True), "$.data.count"),
    "no zone": (_trigger(time="2026-11-23T10:00:00"), "$.time"),
    "an unknown type": (_trigger(type="pulse.party"), "$.type"),
    "a later version": (_trigger(specversion="2.0"), "$.specversion"),
    "half a surrogate": (_trigger().replace(b"svc-1", b"\\ud800"), "not JSON"),
    "deeply nested": (_nested(), "nested too deeply"),
    "two megabytes": (_trigger(extra="x" * 2_000_000), "an event may have 1000000 at most"),
}
"""What it is: the bytes, and what the reason must tell."""

COUNTED = "SELECT service, sum(count) FROM count_1m WHERE kind = 'trigger' GROUP BY 1"


async def test_poison_is_refused_with_reasons_and_harms_no_neighbour(tmp_path: Path) -> None:
    """Between good events, each bad record becomes one dead letter that says what is wrong."""
    async with FakeSlack() as slack, Rig(tmp_path, slack, RULES) as rig:
        values = [value for poison, _ in POISON.values() for value in (_trigger(), poison)]
        await rig.append(*values, _trigger())
        await rig.once()
        assert rig.rows(COUNTED) == [("svc-1", len(POISON) + 1)]
        letters = rig.rows("SELECT reason, value FROM dead_letter ORDER BY offset")
        assert [value for _, value in letters] == [value for value, _ in POISON.values()]
        for (name, (_, tells)), (reason, _) in zip(POISON.items(), letters, strict=True):
            assert tells in reason, name
        assert slack.messages == []


async def test_what_is_still_bad_becomes_a_new_letter(tmp_path: Path) -> None:
    """`dlq list`, `show` and `retry` as a person uses them; the old letter says it was retried."""
    async with FakeSlack() as slack, Rig(tmp_path, slack, RULES) as rig:
        await rig.append(_trigger(count="many"), b"\x1b[31mred", _trigger(extra="x" * 10**6))
        await rig.once()
        _, listed, _ = await rig.cli("dlq", "list")
        assert len(listed.splitlines()) == 4
        assert "$.data.count" in listed
        _, shown, _ = await rig.cli("dlq", "show", "1")
        assert '"count": "many"' in shown
        assert "pulse.trigger/0@" in shown
        _, shown, _ = await rig.cli("dlq", "show", "2")
        assert "\\x1b[31mred" in shown, "what a terminal would obey is made harmless"
        assert (await rig.cli("dlq", "retry", "1"))[0] == 0
        await rig.once()
        states = rig.rows("SELECT retried_ms IS NOT NULL, value FROM dead_letter ORDER BY id")
        assert [retried for retried, _ in states] == [1, 0, 0, 0]
        assert states[3][1] == states[0][1]
        _, said, _ = await rig.cli("dlq", "retry", "--all")
        assert said.strip() == "appended 3 to the stream again"


async def test_a_letter_that_is_good_by_now_is_counted(tmp_path: Path) -> None:
    """After what was wrong with us is mended, a retry counts the event, once."""
    async with FakeSlack() as slack, Rig(tmp_path, slack, RULES) as rig:
        await rig.once()
        with closing(sqlite3.connect(rig.database)) as connection:
            connection.execute(
                "CREATE TRIGGER refuse BEFORE INSERT ON count_1m WHEN NEW.service = 'svc-2'"
                " BEGIN SELECT RAISE(ABORT, 'a bug of ours'); END"
            )
        await rig.append(_trigger("svc-1", 4), _trigger("svc-2", 5), _trigger("svc-3", 6))
        await rig.once()
        assert rig.rows(COUNTED) == [("svc-1", 4), ("svc-3", 6)]
        ((reason,),) = rig.rows("SELECT reason FROM dead_letter")
        assert reason == "pulsebot failed on it (IntegrityError); retry after an upgrade"
        with closing(sqlite3.connect(rig.database)) as connection:
            connection.execute("DROP TRIGGER refuse")
        for _ in range(2):
            assert (await rig.cli("dlq", "retry", "1"))[0] == 0
        await rig.once()
        assert rig.rows(COUNTED) == [("svc-1", 4), ("svc-2", 5), ("svc-3", 6)]
        assert rig.rows("SELECT count(*) FROM dead_letter WHERE retried_ms IS NULL") == [(0,)]


@pytest.mark.parametrize("words", [("show", "7"), ("retry", "7")])
async def test_a_letter_that_is_not_there_is_told(tmp_path: Path, words: tuple[str, str]) -> None:
    """A wrong number gets a clear word and the way on."""
    async with FakeSlack() as slack, Rig(tmp_path, slack, RULES) as rig:
        await rig.once()
        code, _, error = await rig.cli("dlq", *words)
        assert (code, error.strip()) == (2, "no dead letter 7; see: pulsebot dlq list")
