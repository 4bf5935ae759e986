from hypothesis import given
from hypothesis import strategies as st

from pulsebot.chat.slack.fitting import clean, escape, shares, shorten, shorten_middle, width

nasty = st.text(alphabet=st.sampled_from("a&<>🔴\n …é"), max_size=300)


@given(text=nasty, limit=st.integers(1, 200))
def test_shortened_text_fits_even_when_it_is_escaped(text: str, limit: int) -> None:
    """What Slack counts after escaping, in UTF-16, is never more than the limit."""
    for short in (shorten(text, limit), shorten_middle(text, limit)):
        assert len(escape(short).encode("utf-16-le")) // 2 <= limit
        assert width(text) > limit or short == text


def test_shortening_the_middle_keeps_both_ends_and_says_how_much_is_gone() -> None:
    """Of a stack trace both the first and the last line matter."""
    short = shorten_middle("first" + "x" * 5_000 + "last", 400)
    assert short.startswith("first")
    assert short.endswith("last")
    assert "characters left out" in short
    gone = int(short.partition("… ")[2].partition(" ")[0].replace(",", ""))
    assert gone == 5_009 - (len(short) - len(f"\n… {gone:,} characters left out …\n"))


def test_cleaning_takes_out_what_is_no_text() -> None:
    """Control characters go, lone surrogates become question marks, tabs and lines stay."""
    assert clean("a\x00b\x1b[2J\tc\r\nd\ud800") == "ab[2J\tc\nd?"


@given(needs=st.lists(st.integers(0, 500), max_size=12), total=st.integers(0, 3_000))
def test_shares_meet_small_needs_and_never_exceed_the_total(needs: list[int], total: int) -> None:
    """Nobody gets more than is needed; whoever gets less gets at least as much as the others."""
    granted = shares(needs, total)
    assert sum(granted) == min(sum(needs), total)
    assert all(got <= need for got, need in zip(granted, needs, strict=True))
    short = [got for got, need in zip(granted, needs, strict=True) if got < need]
    assert not short or max(granted) <= min(short) + 1
