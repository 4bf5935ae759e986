from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsebot.web.board import charts, wording
from pulsebot.web.board.charts import Bar

NAMES = st.text(
    st.characters(exclude_categories=["Cs"]), min_size=1, max_size=255
) | st.sampled_from(["..", ".", "~", "~Li4=", "a/../b", "a\nb", "%2e%2e"])


@given(NAMES)
def test_an_address_leads_back_to_its_service(name: str) -> None:
    """Any name survives the way into a path and out of it, in one segment that browsers keep."""
    path = urlsplit(wording.address(name)).path
    assert path == wording.address(name)
    last = path.removeprefix("/services/")
    assert "/" not in last
    assert last not in {".", ".."}
    assert wording.named(unquote(last)) == name


@given(st.text())
def test_any_last_part_of_an_address_names_something(part: str) -> None:
    """What is no address of ours is taken for a name that nobody has."""
    assert isinstance(wording.named(part), str)


class Tags(HTMLParser):
    """Collects the names of all elements, and of their attributes."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note one element."""
        self.found |= {tag, *(f"@{name}" for name, _ in attrs)}


@given(st.text())
def test_no_text_gets_into_a_chart_as_markup(text: str) -> None:
    """Whatever the labels are, the elements and attributes are those of a harmless one."""
    drawn, plain = (
        charts.bars([Bar(label, 3)], label) + charts.spark([1, 2], label) for label in (text, "x")
    )
    assert Tags(drawn).found == Tags(plain).found


def test_a_count_that_grows_a_little_leaves_its_bars_as_they_are() -> None:
    """Bars are whole units high, so that a page is told of them only when they look different."""
    assert charts.spark([1000, 500], "x") == charts.spark([1000, 501], "x")
    assert charts.spark([1000, 500], "x") != charts.spark([1000, 900], "x")


def test_only_web_addresses_become_links() -> None:
    """A link that an app sent is text unless a browser would fetch it by http or https."""
    assert wording.link("https://example.org/?a&b").startswith(
        '<a href="https://example.org/?a&amp;b"'
    )
    for other in (
        "javascript:alert(1)",
        "data:text/html,x",
        " https://example.org",
        "//example.org",
    ):
        assert "href" not in wording.link(other)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("checkout", "checkout"),
        (" ", "' '"),
        ("\u200b\u202e", r"'\u200b\u202e'"),
        ("\u0301", r"'\u0301'"),
        ("🔥", "🔥"),
    ],
)
def test_a_name_of_which_nothing_is_seen_can_be_read(name: str, read: str) -> None:
    """A link must have a text; whoever cleans up must see what is there."""
    assert wording.visible(name) == read
