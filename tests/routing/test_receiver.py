import re

import pytest
from pydantic import TypeAdapter, ValidationError

from pulsebot.routing.receiver import Receiver, Targets

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
    assert receivers.validate_python("slack:#x", context={"chats": {"slack": None}}) == "slack:#x"
    with pytest.raises(ValidationError, match="there is no chat `slack` in the settings"):
        receivers.validate_python("slack:#x", context={"chats": {"console": None}})


TARGETS = Targets({"oncall": -100, "ops": -200}, "telegram.chats", re.compile(r"-?\d+"))


@pytest.mark.parametrize("target", ["oncall", "ops", "-100123"])
def test_a_target_is_a_name_of_the_settings_or_the_platforms_own(target: str) -> None:
    """Where a chat has names for its targets, its ids go as well."""
    written = f"telegram:{target}"
    assert receivers.validate_python(written, context={"chats": {"telegram": TARGETS}}) == written


@pytest.mark.parametrize(
    ("target", "words"),
    [("oncal", "did you mean `oncall`?"), ("xyz", "there are oncall, ops")],
)
def test_a_misspelt_target_is_refused(target: str, words: str) -> None:
    """Else nobody would notice before the first alert to it is lost."""
    said = (
        f"`telegram:{target}`: there is no `{target}` in `telegram.chats` of the settings; {words}"
    )
    with pytest.raises(ValidationError, match=re.escape(said)):
        receivers.validate_python(f"telegram:{target}", context={"chats": {"telegram": TARGETS}})
