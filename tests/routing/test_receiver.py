import pytest
from pydantic import TypeAdapter, ValidationError

from pulsebot.routing.receiver import Receiver

receivers: TypeAdapter[str] = TypeAdapter(Receiver)


@pytest.mark.parametrize(
    "written", ["console", "slack:#crash", "telegram:oncall", "telegram:-100123", "webhook:pager"]
)
def test_receivers_are_one_word(written: str) -> None:
    """A chat, and after the colon its target."""
    assert receivers.validate_python(written) == written


@pytest.mark.parametrize("written", ["", "Slack:#x", "slack: #x", "#x", "slack:", "slack", "a b"])
def test_what_is_no_receiver_is_refused(written: str) -> None:
    """Nothing that could not be sent to gets past the reading of the file."""
    with pytest.raises(ValidationError):
        receivers.validate_python(written)


def test_chats_are_checked_where_they_are_known() -> None:
    """The caller says which chats are set up."""
    assert receivers.validate_python("slack:#x", context={"chats": {"slack"}}) == "slack:#x"
    with pytest.raises(ValidationError, match="there is no chat `slack` in the settings"):
        receivers.validate_python("slack:#x", context={"chats": {"console"}})
