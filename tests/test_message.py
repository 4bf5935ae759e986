import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsebot import message as messages
from pulsebot.message import Code, Fields, Link, Message, Note, Table, Text, plain, table_text

EVERYTHING = Message(
    "svc-a crashed",
    (
        Text("three times\nin a row"),
        Fields((("error", "ValueError"), ("where", "pod-1"))),
        Table(("service", "crashes"), (("svc-a", "3"), ("svc-bb", "12"))),
        Code("Traceback\n  boom"),
        Link("runbook", "https://x.test/a?b=1&c=<2>"),
        Note("today, Europe/Berlin"),
    ),
    "critical",
)


def test_plain_loses_nothing() -> None:
    """Every part is in the plain text, in order, and nothing is escaped."""
    assert plain(EVERYTHING) == (
        "🔴 svc-a crashed\n"
        "three times\nin a row\n"
        "error: ValueError\nwhere: pod-1\n"
        "service  crashes\n"
        "svc-a          3\n"
        "svc-bb        12\n"
        "Traceback\n  boom\n"
        "runbook: https://x.test/a?b=1&c=<2>\n"
        "today, Europe/Berlin"
    )


def test_a_message_without_severity_has_no_icon() -> None:
    """An answer is just its title."""
    assert plain(Message("nothing to tell")) == "nothing to tell"


@pytest.mark.parametrize("severity", messages.ICONS)
def test_each_severity_has_its_own_icon(severity: messages.Severity) -> None:
    """The headline is the icon, a blank and the title."""
    assert messages.headline(Message("x", (), severity)) == f"{messages.ICONS[severity]} x"
    assert len(set(messages.ICONS.values())) == len(messages.ICONS)


def test_numbers_are_set_to_the_right() -> None:
    """Columns of counts, changes and percentages line up at their last digit."""
    text = table_text(
        ("service", "count", "change", "share", "since"),
        (("a", "1,204", "+3", "9.5 %", "09:00"), ("bb", "7", "−12", "100 %", "–")),
    )
    assert text == (
        "service  count  change  share  since\n"
        "a        1,204      +3  9.5 %  09:00\n"
        "bb           7     −12  100 %  –"
    )


def test_missing_numbers_do_not_move_a_column() -> None:
    """An empty cell or a dash among numbers keeps the column to the right."""
    assert table_text(("n",), (("100",), ("–",), ("",))) == "  n\n100\n  –\n"


def test_a_line_break_in_a_cell_does_not_break_the_table() -> None:
    """A row is a line."""
    text = table_text(("error", "n"), (("bad\nvalue\r\nhere", "1"), ("x", "2")))
    assert text.splitlines() == ["error           n", "bad value here  1", "x               2"]


def test_an_empty_table_says_so() -> None:
    """No rows give a word, not a lonely header."""
    assert table_text(("service", "count"), ()) == "(nothing)"


def test_a_ragged_table_is_a_mistake() -> None:
    """A row with another number of cells than the header is refused."""
    with pytest.raises(ValueError, match="shorter"):
        table_text(("a", "b"), (("1",),))


def test_round_trip() -> None:
    """A message comes back from its kept form with every part of its own type."""
    assert messages.decode(messages.encode(EVERYTHING)) == EVERYTHING


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
pairs = st.lists(st.tuples(texts, texts), max_size=3).map(tuple)
parts = st.one_of(
    st.builds(Text, texts),
    st.builds(Fields, pairs),
    st.builds(Table, st.just(("a", "b")), pairs),
    st.builds(Code, texts),
    st.builds(Link, texts, texts),
    st.builds(Note, texts),
)


@given(
    st.builds(
        Message,
        texts,
        st.lists(parts, max_size=4).map(tuple),
        st.none() | st.sampled_from(list(messages.ICONS)),
    )
)
def test_any_message_can_be_kept_and_said(message: Message) -> None:
    """Whatever the texts are, a message round-trips and has a plain form."""
    assert messages.decode(messages.encode(message)) == message
    assert plain(message).startswith(messages.headline(message))


@pytest.mark.parametrize("value", [b"", b"{}", b'{"title": 1}', b'{"title": "\xff"}', b"[]"])
def test_what_was_not_kept_by_us(value: bytes) -> None:
    """Anything else raises ValueError."""
    with pytest.raises(ValueError):  # noqa: PT011 - whose text is the library's
        messages.decode(value)
