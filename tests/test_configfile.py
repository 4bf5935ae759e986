from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from pulsebot.configfile import load
from pulsebot.errors import InvalidConfig

NO_FILE = {"O_SECRET_FILE": "/no/such"}


class Part(BaseModel):
    """A part that refuses what it does not know."""

    model_config = ConfigDict(extra="forbid")


class Near(Part):
    """One of two kinds of trip."""

    type: Literal["near"] = "near"
    steps: Annotated[int, Field(ge=1)] = 1


class Far(Part):
    """The other kind, with a secret."""

    type: Literal["far"]
    miles: list[int] = []
    key: SecretStr | None = None


class Options(Part):
    """A settings file with all that such files may have."""

    name: str = "nobody"
    level: Literal["low", "high"] = "low"
    secret: SecretStr | None = None
    places: dict[str, Near] = {}
    trip: Annotated[Near | Far, Field(discriminator="type")] = Near()


def options(folder: Path, text: str | None, **environ: str) -> Options:
    """Load a file of this text, with these variables over it."""
    file = folder / "o.yaml"
    if text is not None:
        file.write_text(text)
    return load(Options, file if text is not None else None, environ, "O_")


def faults(folder: Path, text: str | None, **environ: str) -> list[str]:
    """Return what is wrong, each with its place; files by their bare name."""
    with pytest.raises(InvalidConfig) as caught:
        options(folder, text, **environ)
    return [line.removeprefix(f"{folder}/") for line in str(caught.value).splitlines()]


@pytest.mark.parametrize("text", [None, "", "# all of it is a comment\n"])
def test_nothing_said_means_the_defaults(tmp_path: Path, text: str | None) -> None:
    """No file, an empty one, and one with every line commented out are the same."""
    assert options(tmp_path, text) == Options()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nmae: x\n", "1: `nmae` is not a known key; did you mean `name`?"),
        ("places:\n  home:\n    stesp: 2\n",
         "3: `places.home.stesp` is not a known key; did you mean `steps`?"),
        ("trip:\n  type: near\n  miles: [1]\n",
         "3: `trip.miles` does not go with this `type`"),
        ("zzz: 1\n",
         "1: `zzz` is not a known key; remove it (there are level, name, places, secret, trip)"),
        ("level: hihg\n", "1: `level`: 'hihg' is not one of low or high; did you mean `high`?"),
        ("trip: {type: fra}\n",
         "1: `trip.type`: 'fra' is not one of near, far; did you mean `far`?"),
        ("trip: {miles: [1]}\n", "1: `trip` lacks its `type`"),
        ("trip:\n  type: far\n  miles: [1, x]\n", "3: `trip.miles.1`: must be a whole number"),
        ("trip: {steps: 0, type: near}\n", "1: `trip.steps`: must be at least 1"),
        ("places: 5\n", "1: `places`: must be a mapping of `key: value`"),
        ("name:\n", "1: `name`: must be a text, not nothing"),
        ("a: &x 1\n", "1: anchors and aliases are not allowed; write the value out"),
        ("name: !!str x\n", "1: tags (`!…`) are not allowed; remove it"),
        ("places:\n  <<: {}\n", "2: merge keys (`<<`) are not allowed; write the keys out"),
        ("places:\n\thome: {}\n", "2: a tab in the indentation; use spaces"),
    ],
)  # fmt: skip
def test_a_fault_names_its_line_and_the_mend(tmp_path: Path, text: str, said: str) -> None:
    """Faults of form and of meaning both say where they are and what would be right."""
    assert faults(tmp_path, text) == [f"o.yaml:{said}"]


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    """A file with faults of its own and one from the environment needs one reading."""
    assert faults(tmp_path, "level: no\ntrip:\n  oops: 1\n  type: near\n", O_NAME="[]") == [
        "o.yaml:1: `level`: 'no' is not one of low or high",
        "o.yaml:3: `trip.oops` is not a known key; remove it (there are key, miles, steps, type)",
        "O_NAME: `name`: must be a text, not a list",
    ]


def test_a_variable_goes_before_the_file_at_any_depth(tmp_path: Path) -> None:
    """Nested keys by `__`; a section that the file leaves empty or out is made."""
    text = "name: file\nplaces:\n  home: {steps: 1}\ntrip:\n"
    loaded = options(
        tmp_path, text,
        O_NAME="env", O_PLACES__HOME__STEPS="7", O_TRIP__TYPE="far", O_TRIP__MILES="[3, 4]",
    )  # fmt: skip
    assert (loaded.name, loaded.places["home"].steps) == ("env", 7)
    assert loaded.trip == Far(type="far", miles=[3, 4])


def test_a_value_of_the_environment_is_told_by_its_variable(tmp_path: Path) -> None:
    """The line in the file is not to blame for what a variable put over it."""
    text = "trip:\n  type: far\n  miles: [1]\n"
    assert faults(tmp_path, text, O_TRIP__MILES='["x"]') == [
        "O_TRIP__MILES: `trip.miles.0`: must be a whole number"
    ]


def test_every_bad_variable_is_told(tmp_path: Path) -> None:
    """Broken JSON, a missing file and a section that is none are told together."""
    assert faults(tmp_path, "name: x\n", O_TRIP="[", **NO_FILE, O_NAME__X="1") == [
        "O_NAME__X: `name` is not a section",
        "O_SECRET_FILE: the file that it names cannot be read: No such file or directory",
        "O_TRIP: not JSON: Expecting value: line 1 column 2 (char 1)",
    ]


def test_a_slip_in_a_variables_name_is_told(tmp_path: Path) -> None:
    """What is all but a setting is a mistake; what only begins alike may be somebody else's."""
    told = faults(tmp_path, None, O_SECRETS_FILE="/run/token", O_TRIPP__STEPS="2")
    assert told == [
        "O_SECRETS_FILE: is no setting; did you mean O_SECRET?",
        "O_TRIPP__STEPS: is no setting; did you mean O_TRIP?",
    ]
    kubernetes = {"O_SERVICE_HOST": "10.0.0.1", "O_PORT_8080_TCP_ADDR": "10.0.0.1"}
    assert options(tmp_path, None, **kubernetes) == Options()


def test_a_secret_comes_from_the_file_a_variable_names(tmp_path: Path) -> None:
    """The newline that editors put at the end is not part of it."""
    (tmp_path / "s").write_text("hunter2\r\n")
    secret = options(tmp_path, None, O_SECRET_FILE=str(tmp_path / "s")).secret
    assert secret is not None
    assert secret.get_secret_value() == "hunter2"


@pytest.mark.parametrize(
    ("text", "environ"),
    [
        ("secret: 20071984\n", {}),
        ("secret: [20071984]\n", {}),
        ("trip: 20071984\n", {}),
        ("places: {home: 20071984}\n", {}),
        ("trip: {type: far, key: 20071984}\n", {}),
        ("", {"O_SECRET_FILE": "20071984"}),
        ("", {"O_SECRET": '{"a": "20071984"}'}),
        ("", {"O_SECRET": '["20071984"'}),
        ("", {"O_PLACES__HOME__STEPS": "x20071984"}),
    ],
)
def test_no_fault_shows_what_may_be_a_secret(
    tmp_path: Path, text: str, environ: dict[str, str]
) -> None:
    """Neither the message nor its cause holds the value."""
    with pytest.raises(InvalidConfig) as caught:
        options(tmp_path, text, **environ)
    assert "20071984" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
