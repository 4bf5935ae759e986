from pathlib import Path

import pytest

from pulsebot.errors import InvalidConfig
from pulsebot.yamltree import MAX_BYTES, parse, plain_value, read


def faults(text: str | bytes) -> list[str]:
    """Return what is wrong with a file, each as `line: message`."""
    raw = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(InvalidConfig) as caught:
        parse(raw, "f")
    return [f"{problem.line}: {problem.message}" for problem in caught.value.problems]


def test_values_and_their_lines() -> None:
    """Every value can be found by its path, and a path that is not there by its nearest part."""
    tree = parse(b"a: 1\nb:\n  - c: x\n    d: [y, z]\n", "f")
    assert tree.values == {"a": 1, "b": [{"c": "x", "d": ["y", "z"]}]}
    assert [tree.line(loc) for loc in [("b",), ("b", 0, "d"), ("b", 0, "e"), ("q",)]] == [
        2, 4, 3, 1,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"), ("yes", "yes"), ("09:00", "09:00"), ("22:30:00", "22:30:00"),
        ("2026-11-23", "2026-11-23"), ("true", True), ("False", False), ("null", None), ("~", None),
        ("5", 5), ("-5", -5), ("5.5", 5.5), ("1e3", 1000.0), ("0x10", "0x10"), (".inf", ".inf"),
        (".nan", ".nan"), ("1_000", "1_000"), ("9" * 30, float("9" * 30)), ("10m", "10m"),
    ],
)  # fmt: skip
def test_unquoted_words(text: str, value: object) -> None:
    """Unquoted scalars are what YAML 1.2 says, and never a time."""
    assert plain_value(text) == value
    assert type(plain_value(text)) is type(value)


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "null\n"])
def test_an_empty_file_has_no_values(text: str) -> None:
    """Whether a file may be empty is for its reader to say."""
    assert parse(text.encode(), "f").values == {}


def test_quoted_words_and_keys_are_texts() -> None:
    """A quoted number is a text, and so is every key, also the ones YAML 1.1 took for `true`."""
    assert parse(b"on: '5'\n5: \"true\"\n", "f").values == {"on": "5", "5": "true"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a\n", ["1: must be a mapping of `key: value` lines"]),
        ("just words\n", ["1: must be a mapping of `key: value` lines"]),
        ("a: 1\nb: 2\na: 3\n", ["3: `a` is there twice (first in line 1)"]),
        ("a: &x 1\nb: *x\n", [
            "1: anchors and aliases are not allowed; write the value out",
            "2: anchors and aliases are not allowed; write the value out",
        ]),
        ("a: 1\n<<: {b: 2}\n", ["2: merge keys (`<<`) are not allowed; write the keys out"]),
        ("a: !!python/object:os.system x\n", ["1: tags (`!…`) are not allowed; remove it"]),
        ("a:\n\tb: 1\n", ["2: a tab in the indentation; use spaces"]),
        ("a: 1\n---\nb: 2\n", ["2: a second document (`---`); one file holds one"]),
        ("%YAML 1.1\n---\na: 1\n", ["2: `%` directives are not allowed; remove them"]),
        ("? [a]\n: b\n", ["1: a key must be a word"]),
        ("a: [1, 2\nb: 3\n", None),
        ("a: b: c\n", None),
        ('a: "\\ud800"\n', ["1: half a character (a lone surrogate) in a text"]),
        ('a: "\\Uffffffff"\n', None),
        ("a: " + "[" * 5000, ["1: nested deeper than 16 levels"]),
        ("a: " + "{b: " * 5000, ["1: nested deeper than 16 levels"]),
        (b"a: 1\nb: \xff\n", ["2: not UTF-8; save the file as UTF-8"]),
        (b"a: \x00\n", None),
        (b"#" * (MAX_BYTES + 1), ["0: larger than 262,144 bytes; split it up"]),
    ],
)  # fmt: skip
def test_what_is_refused(text: str | bytes, said: list[str] | None) -> None:
    """Each fault of form is told with its line; what is no YAML at all says so."""
    found = faults(text)
    if said is None:
        assert all(": not YAML: " in fault for fault in found)
    else:
        assert found == said


def test_all_faults_are_told_at_once() -> None:
    """A file with three faults of form needs one reading."""
    assert [fault[:2] for fault in faults("a: &x 1\nb: 1\nb: 2\nc: !t 1\n")] == ["1:", "3:", "4:"]


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    """What some editors put before the first letter is skipped."""
    file = tmp_path / "f.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read(file).values == {"a": 1}


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    """A folder in place of a file is a problem, not a traceback."""
    with pytest.raises(InvalidConfig, match="cannot be read: Is a directory"):
        read(tmp_path)
