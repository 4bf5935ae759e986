"""How messages look in a terminal."""

import io
import unicodedata
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, RenderableType

from pulsebot.chat import terminal
from pulsebot.message import Code, Fields, Link, Message, Note, Table, Text

AT = datetime(2026, 11, 23, 10, 20, 30, tzinfo=UTC)


def show(what: RenderableType, *, colour: bool = False, width: int = 60) -> str:
    """Render as a terminal of that width would."""
    sink = io.StringIO()
    Console(file=sink, force_terminal=colour, width=width, highlight=False).print(what)
    return "\n".join(line.rstrip() for line in sink.getvalue().splitlines())


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    """Whatever the text, only line breaks remain of the control characters."""
    shown = terminal.visible(text)
    assert all(
        unicodedata.category(char) not in {"Cc", "Cs", "Zl", "Zp"} for char in shown if char != "\n"
    )
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def test_ordinary_text_is_left_alone() -> None:
    """Letters of any script, emoji with joiners and line breaks stay as they are."""
    text = "Größe ✓ शिव 👩‍💻\nnext"
    assert terminal.visible(text) == text


def test_an_alert_is_compact() -> None:
    """Fields share a line under the title, indented below the time."""
    message = Message(
        "svc-a crashed", (Fields((("env", "prod"), ("team", "pay"))), Text("why")), "critical"
    )
    assert show(terminal.alert(message, AT)) == (
        "10:20:30 ✖ svc-a crashed\n           env prod  team pay\n           why"
    )


def test_facts_are_broken_between_two_of_them() -> None:
    """A label stays with its value where a line has room for both."""
    facts = Fields((("service", "svc-a"), ("because", "no answer in time"), ("when", "now")))
    assert show(terminal.alert(Message("down", (facts,)), AT), width=40).splitlines()[1:] == [
        "           service svc-a",
        "           because no answer in time",
        "           when now",
    ]


def test_severity_shows_in_colour() -> None:
    """Each severity has its own look, so that one can tell them apart from afar."""
    looks = {
        show(terminal.alert(Message("x", severity=severity), AT), colour=True)
        for severity in terminal.STYLES
    }
    assert len(looks) == len(terminal.STYLES)


def test_an_answer_has_rows_a_table_a_link_and_small_print() -> None:
    """Numbers go right, labels are aligned."""
    message = Message(
        "Triggers",
        (
            Fields((("a", "1"), ("long", "2"))),
            Table(("service", "count"), (("svc-a", "5"), ("b", "1,234"))),
            Link("board", "http://x/"),
            Note("today"),
        ),
    )
    assert show(terminal.answer(message)).splitlines() == [
        "Triggers",
        " a     1",
        " long  2",
        " service   count",
        " ───────────────",
        " svc-a         5",
        " b         1,234",
        " board http://x/",
        " today",
    ]


def test_a_long_stack_is_shown_by_its_ends() -> None:
    """The first and the last lines stay, and it says how many were left out."""
    stack = "\n".join(f"line {number}" for number in range(40))
    shown = show(terminal.answer(Message("x", (Code(stack),)))).splitlines()
    assert len(shown) == 1 + terminal.CODE_LINES + 1
    assert shown[1] == " │ line 0"
    assert shown[-1] == " │ line 39"
    assert " │ … 24 more lines …" in shown


def test_the_bar_goes_on_beside_a_line_that_is_too_long() -> None:
    """Code is told from text also where it is folded; empty lines keep the bar as well."""
    shown = show(terminal.answer(Message("x", (Code(f"{'a' * 9} bbb\n\nc"),))), width=13)
    assert shown.splitlines()[1:] == [f" │ {'a' * 9}", " │ bbb", " │", " │ c"]


def test_an_empty_table_says_so() -> None:
    """No rows is an answer too."""
    assert "(nothing)" in show(terminal.answer(Message("x", (Table(("a",), ()),))))
