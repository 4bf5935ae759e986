import pytest

from pulsebot.rules.template import fault, fill


def test_fields_are_filled_in_once() -> None:
    """A value that looks like a field is shown as it is."""
    said = fill("{service}: {error} {{x}} in {tags.env}", {"service": "{error}", "tags.env": "eu"})
    assert said == "{error}: – {x} in eu"


@pytest.mark.parametrize(
    "text",
    ["", "plain", "{service} {count} {reason} {rule}", "{tags.env} {tags.a-b}", "{{literal}}"],
)
def test_texts_that_are_right(text: str) -> None:
    """Known fields, tags and doubled braces have no fault."""
    assert fault(text) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{servce}", "did you mean {service}?"),
        ("{}", "there is no field {}"),
        ("{0}", "there is no field {0}"),
        ("{service.__class__}", "there is no field"),
        ("{service[0]}", "there is no field"),
        ("{service!r}", "takes no format"),
        ("{count:>99999999}", "takes no format"),
        ("{service", "a brace is open or closed alone"),
        ("service}", "a brace is open or closed alone"),
        ("{tags.}", "there is no field"),
        ("{tags.a.__class__[0]}", "there is no field"),
    ],
)
def test_texts_that_are_wrong(text: str, said: str) -> None:
    """Whatever is more than a plain known field is refused, with the mend."""
    assert said in str(fault(text))
