import json

import pytest

from pulsebot.errors import InvalidInput
from pulsebot.materialize.answer import Answer, Changes
from pulsebot.terminal.sqlshow import Output, Show, pointed
from pulsebot.terminal.sqlwords import BOUNDS, Vocabulary, is_complete
from pulsebot.views.place import InvalidSql, Place

EVIL = "=cmd|'/C calc'!A0\x1b[2J\x9b31m\u202e,\"x\""


@pytest.mark.parametrize("output", list(Output))
def test_no_name_plays_with_the_terminal(
    output: Output, capsys: pytest.CaptureFixture[str]
) -> None:
    """In no kind of output is a control character of an event's text obeyed."""
    Show(output).answer(Answer(EVIL, (EVIL,), [(EVIL,), (None,), (-1.5,)], cut=EVIL))
    written = capsys.readouterr()
    for char in "\x1b\x9b\u202e":
        assert char not in written.out + written.err
    assert "cmd|" in written.out


def test_json_keeps_every_text_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """One object a line; columns of one name are told apart."""
    Show(Output.json).answer(Answer("", ("A", "A"), [(EVIL, 1), (None, 2.5)]))
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line) for line in lines] == [
        {"A": EVIL, "A_2": 1},
        {"A": None, "A_2": 2.5},
    ]


def test_csv_holds_no_formula(capsys: pytest.CaptureFixture[str]) -> None:
    """A spreadsheet shows a hostile text instead of computing it; numbers stay numbers."""
    Show(Output.csv).answer(Answer("", ("A", "B"), [("=1+1", -5), ("@SUM(A1)", None), ("a,b", 2)]))
    assert capsys.readouterr().out.split("\r\n") == [
        "A,B", "'=1+1,-5", "'@SUM(A1),", '"a,b",2', "",
    ]  # fmt: skip


def test_words_are_kept_apart_from_what_programs_read(capsys: pytest.CaptureFixture[str]) -> None:
    """With JSON or CSV, standard output holds rows only."""
    Show(Output.json).answer(Answer("Table T is there.", ("A",), [(1,)], cut="the first row"))
    written = capsys.readouterr()
    assert written.out == '{"A":1}\n'
    assert "Table T is there." in written.err
    assert "These are the first row." in written.err


def test_a_fault_is_pointed_at() -> None:
    """The line, a mark under the place, and what is wrong, even in wide letters and tabs."""
    text = "SELECT A,\n\tÄ漢B FROM T"
    told = pointed(text, InvalidSql("there is no column B", Place(2, 4)))
    assert told.splitlines() == [
        "    Ä漢B FROM T",
        "       ^",
        "line 2, column 4: there is no column B",
    ]
    told = pointed(text, InvalidSql("wrong", Place(2, 4)), "a.sql")
    assert told.splitlines()[-1] == "a.sql:2:4: wrong"
    assert pointed(text, InvalidInput("no place")) == "no place"
    assert len(pointed("x" * 5000, InvalidSql("wrong", Place(1, 4000))).splitlines()[0]) <= 100


def test_changes_come_under_one_header(capsys: pytest.CaptureFixture[str]) -> None:
    """Rows that come later stand in the same columns; hostile ones stay one line."""
    show = Show(Output.table)
    show.changes(Changes(("NAME", "N"), [("a", 1)]))
    show.changes(Changes(("NAME", "N"), [(EVIL + "\nx", 2)], missed=7))
    show.changes(Changes(("NAME", "N"), reset=True))
    show = Show(Output.csv)
    show.changes(Changes(("NAME", "N"), [("a", 1)]))
    show.changes(Changes(("NAME", "N"), [("=b", 2)]))
    written = capsys.readouterr().out
    assert "all that are there follow again" in written
    assert written.startswith("NAME  N\na     1\n7 events came too quickly")
    assert "\x1b" not in written
    assert written.endswith("NAME,N\r\na,1\r\n'=b,2\r\n")
    assert len(written.splitlines()) == 8


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("SELECT 1;", True),
        ("SELECT 1; -- done", True),
        ("SELECT 1", False),
        ("SELECT ';", False),
        ("SELECT 1 -- ;", False),
        ("SELECT 1; SELECT 2", False),
        ("", False),
    ],
)
def test_a_statement_ends_with_a_semicolon_of_its_own(text: str, complete: bool) -> None:  # noqa: FBT001 - a column of the table
    """A `;` within a text or a comment ends nothing."""
    assert is_complete(text) is complete


def test_completion_knows_what_may_stand_where() -> None:
    """Names after FROM; columns of what is read, keywords and functions elsewhere."""
    names = Vocabulary({"PER_DAY": ("SERVICE_ID", *BOUNDS), "SERVICE_CRASH": ("ERROR",)})
    after_from = list(names.candidates("SELECT x FROM S", "SELECT x FROM S"))
    assert after_from == ["PER_DAY", "SERVICE_CRASH"]
    whole = "SELECT W FROM PER_DAY"
    offered = list(names.candidates("SELECT W", whole))
    assert offered[0] == "SERVICE_ID"
    assert {"WINDOWSTART", "COUNT", "WHERE"} <= set(offered)
    assert "ERROR" not in offered


@pytest.mark.parametrize(("width", "headers"), [(80, 1), (40, 2)])
def test_what_is_too_wide_for_a_grid_stands_upright(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int, headers: int
) -> None:
    """Nobody reads a time in columns of four letters; one long text may fold, though."""
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    when = "2026-11-20T00:00:00+01:00"
    Show(Output.table).answer(
        Answer("", ("N", "SINCE", "TEXT"), [(7, when, EVIL), (8, when, "x " * 99)])
    )
    written = capsys.readouterr().out
    assert written.count("SINCE") == headers
    assert written.count(when) == 2
    assert "2 rows" in written


def test_changes_stand_under_a_header_that_came_before_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whoever follows a view sees at once that it is followed, and rows in its columns."""
    show = Show(Output.table)
    show.changes(Changes(("SERVICE_ID", "WINDOWSTART", "CHANGE")))
    show.changes(
        Changes(
            ("SERVICE_ID", "WINDOWSTART", "CHANGE"), [("svc-a", "2026-11-20T00:00:00+01:00", "set")]
        )
    )
    header, row = capsys.readouterr().out.splitlines()
    assert header.index("WINDOWSTART") == row.index("2026")
    assert header.index("CHANGE") == row.index("set")
