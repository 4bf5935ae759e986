from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block

from pulsebot.chat.slack import render
from pulsebot.message import Code, Fields, Link, Message, Note, Part, Table, Text
from tests.fakes import slack_rules

EVERYTHING = Message(
    "svc-a crashed: ValueError",
    (
        Text("Seen on host-1, see https://runbook.example/a?b=1&c=2."),
        Fields((("service", "svc-a"), ("tag", ""))),
        Table(("service", "crashes"), (("svc-a", "12"), ("svc-b", "3"))),
        Code('File "a.py", line 3\n    1 < 2 & "x"'),
        Link("dashboard", "https://grafana.example/d/1"),
        Note("today, Europe/Berlin"),
    ),
    "critical",
)

words = st.text(alphabet=st.sampled_from("ab &<>🔴\n\x00*_`"), max_size=4_000)
parts = st.one_of(
    st.builds(Text, words),
    st.builds(Code, words),
    st.builds(Note, words),
    st.builds(Link, words, st.sampled_from(["https://x.example/" + "y" * 4_000, "ftp://x", ""])),
    st.builds(Fields, st.lists(st.tuples(words, words), max_size=30).map(tuple)),
    st.builds(Table, st.just(("a", "b")), st.lists(st.tuples(words, words), max_size=9).map(tuple)),
)


def body(message: Message) -> dict[str, Any]:
    """Return what would be posted."""
    return {"text": render.text(message), "blocks": render.blocks(message)}


def shown(*part: Part) -> str:
    """Return what a person reads of a message titled t."""
    return slack_rules.shown({"blocks": render.blocks(Message("t", part))})


def test_every_part_has_its_block() -> None:
    """Header, paragraph with its link, fields, tables and code, link, small print."""
    kinds = [block["type"] for block in render.blocks(EVERYTHING)]
    assert kinds == [
        "header",
        "rich_text",
        "section",
        "rich_text",
        "rich_text",
        "rich_text",
        "context",
    ]
    links = [b for b in render.blocks(EVERYTHING) if "'link'" in str(b)]
    assert "https://runbook.example/a?b=1&c=2'" in str(links[0])
    assert "'text': 'dashboard'" in str(links[1])


def test_a_person_reads_everything_that_was_said() -> None:
    """Nothing is lost on the way, and nothing shows an entity."""
    read = slack_rules.shown(body(EVERYTHING))
    for expected in ("🔴 svc-a crashed", "host-1", "svc-b", '1 < 2 & "x"', "Europe/Berlin"):
        assert expected in read
    assert "&lt;" not in read


def test_slacks_own_models_accept_the_blocks() -> None:
    """The SDK validates every block and gives it back unchanged."""
    blocks = render.blocks(EVERYTHING)
    assert [block.to_dict() for block in Block.parse_all(blocks)] == blocks


@settings(max_examples=60, deadline=None)
@given(title=words, content=st.lists(parts, max_size=60).map(tuple))
def test_whatever_is_said_slack_would_take_it(title: str, content: tuple[Part, ...]) -> None:
    """No message, however long or odd, breaks a limit of Slack."""
    rendered = body(Message(title, content, "error"))
    assert [slack_rules.fault(block) for block in rendered["blocks"]] == [None] * len(
        rendered["blocks"]
    )
    assert slack_rules.verdict(rendered) is None


@pytest.mark.parametrize("hostile", ["<!channel>", "<@U123>", "<https://evil|click>", "@here"])
def test_text_from_events_mentions_nobody(hostile: str) -> None:
    """Where Slack parses text, the control characters are escaped and verbatim is on."""
    message = Message(
        hostile, (Text(hostile), Fields(((hostile, hostile),)), Note(hostile), Link(hostile, "x"))
    )
    assert "<" not in render.text(message)
    for block in render.blocks(message):
        if block["type"] != "rich_text":
            assert "<" not in str(block)
        assert "mrkdwn" not in str(block) or "'verbatim': True" in str(block)
    assert hostile in slack_rules.shown({"blocks": render.blocks(message)})


def test_a_title_too_long_for_a_header_becomes_a_section() -> None:
    """The end of a long title is not lost."""
    title = "word " * 60 + "end"
    first = render.blocks(Message(title))[0]
    assert first["type"] == "section"
    assert first["text"]["text"].endswith("end")


def test_a_long_table_says_how_many_rows_are_missing() -> None:
    """Whole rows are left out at the end, and counted."""
    rows = tuple((f"service-{number:04}", str(number)) for number in range(1_000))
    read = shown(Table(("service", "count"), rows))
    present = sum(f"service-{number:04}" in read for number in range(1_000))
    assert 100 < present < 1_000
    assert f"… {1_000 - present:,} more rows" in read


def test_a_huge_stack_does_not_crowd_out_the_rest() -> None:
    """Small parts are kept whole, the large one is shortened in its middle."""
    read = shown(Code("top\n" + "x" * 50_000 + "\nbottom"), Note("the small print"))
    assert "top" in read
    assert "bottom" in read
    assert "the small print" in read


def test_more_blocks_than_slack_takes_are_counted() -> None:
    """The last block says how many are missing."""
    blocks = render.blocks(Message("t", tuple(Text(f"part {n}") for n in range(80))))
    assert len(blocks) == render.BLOCKS
    assert "32 more blocks" in str(blocks[-1])
