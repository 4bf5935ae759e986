"""Telegram's markup and limits, judged by a reading of HTML as Telegram's own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsebot.chat.telegram.render import ENTITIES, LIMIT, render
from pulsebot.message import Code, Fields, Link, Message, Note, Part, Table, Text
from tests.fakes.telegram_html import Refused, parse

texts = st.text(max_size=20) | st.builds(
    str.__mul__, st.text(min_size=1, max_size=5), st.integers(1, 2000)
)
parts: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, texts),
    st.builds(Code, texts),
    st.builds(Note, texts),
    st.builds(Link, texts, texts | texts.map("https://x.example/{}".format)),
    st.builds(Fields, st.lists(st.tuples(texts, texts), max_size=4).map(tuple)),
    st.builds(Table, st.just(("a", "b")), st.lists(st.tuples(texts, texts), max_size=4).map(tuple)),
)
messages = st.builds(
    Message, texts, st.lists(parts, max_size=6).map(tuple), st.sampled_from([None, "critical"])
)


@given(messages)
def test_whatever_the_message_telegram_takes_it(message: Message) -> None:
    """Marked or plain, it parses, is within the limit and is not empty."""
    shown, _ = parse(render(message, formatted=True))
    for text in (shown, render(message, formatted=False)):
        assert 0 < len(text.encode("utf-16-le")) // 2 <= LIMIT
        assert text.strip()
        text.encode()


@given(messages)
def test_markup_changes_nothing_that_is_read(message: Message) -> None:
    """Without links, what is shown is the plain text."""
    bare = Message(
        message.title,
        tuple(part for part in message.parts if not isinstance(part, Link)),
        message.severity,
    )
    assert parse(render(bare, formatted=True))[0] == render(bare, formatted=False)


def test_the_limit_counts_as_the_strictest_server() -> None:
    """An emoji counts twice, whatever else a server may count by: too long is never lost."""
    title = "😀" * (LIMIT // 2)
    assert render(Message(title), formatted=False) == title
    longer = render(Message(title + "x"), formatted=True)
    assert longer.startswith("<b>😀😀")
    assert longer.endswith("😀…</b>")


def test_a_very_wide_table_gives_way_to_what_is_around_it() -> None:
    """The longest piece is cut first."""
    wide = Table(("a",), (("x" * 9_000,),))
    text = render(
        Message("title", (Fields((("env", "prod"),)), wide, Note("zone"))), formatted=False
    )
    assert text.startswith("title\nenv: prod\n")
    assert text.endswith("…\nzone")


def test_more_marks_than_telegram_takes_are_left_out() -> None:
    """The rest is shown without marks; no text is lost."""
    fields = Fields(tuple((f"k{number}", "v") for number in range(150)))
    shown, entities = parse(render(Message("title", (fields,)), formatted=True))
    assert len(entities) == ENTITIES
    assert "k149: v" in shown


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "https://x.example/" + "a" * 2_000,
        "http://board:8080/",
        "https://x.example/a b",
        "https://[x.example/",
    ],
)
def test_an_address_that_makes_no_link_is_shown(url: str) -> None:
    """Unusable or very long addresses are text."""
    shown, entities = parse(render(Message("t", (Link("log", url),)), formatted=True))
    assert f"log: {url}" in shown
    assert not any(entity.url for entity in entities)


@pytest.mark.parametrize("text", ["a < b", "<b>", "</b>", "<x>y</x>", '<a onclick="x">y</a>'])
def test_the_judge_refuses_what_telegram_refuses(text: str) -> None:
    """The reading that the other tests lean on is strict."""
    with pytest.raises(Refused):
        parse(text)
