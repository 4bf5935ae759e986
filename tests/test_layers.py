"""The project keeps the layers of tests/layers.py, and the check of them sees every breach."""

import pytest

from tests.layers import FAMILIES, LAYERS, complaints, tree


def test_the_project_keeps_its_layers() -> None:
    """Every import of the project goes up the layers, and none goes in a circle."""
    assert complaints(tree()) == []


def test_the_table_names_only_what_there_is() -> None:
    """A room, neighbour or family that has gone is not left in the tables."""
    modules = tree()
    rooms = {name for _, layer in LAYERS for name in layer}
    assert [name for name in sorted(rooms) if f"pulsebot.{name}" not in modules] == []
    assert [family for family in FAMILIES if family not in modules] == []


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        ("pulsebot.window", "import sqlite3", "sqlite3: no part of a pure layer"),
        ("pulsebot.window", "def f():\n    import asyncio", "asyncio: no part of a pure layer"),
        ("pulsebot.digest", "from os import environ", "os: no part of a pure layer"),
        ("pulsebot.digest", "datetime.now(UTC)", "reads the clock or the world"),
        ("pulsebot.message", "open('file')", "reads the clock or the world"),
        ("pulsebot.event", "import pulsebot.window", "values must not know logic"),
        ("pulsebot.window", "from pulsebot.store import counts", "logic must not know edges"),
        ("pulsebot.store.counts", "import pulsebot.stream.open", "a room beside it"),
        ("pulsebot.delivery", "import pulsebot.pipeline", "a room beside it"),
        ("pulsebot.pipeline", "import pulsebot.app", "services must not know process"),
        ("pulsebot.chat.slack.web", "import pulsebot.chat.telegram", "member of the same family"),
        ("pulsebot.chat.webhook", "import pulsebot.chat.table", "member of the same family"),
        ("pulsebot.chat.webhook", "from pulsebot.chat import X", "its own package's __init__"),
        ("crawler.probes.http", "import crawler.probes.log", "member of the same family"),
        ("crawler.agent", "import pulsebot.store", "a crawler must not know this room"),
        ("crawler.agent", "import pulsebot.eventually", "a crawler must not know this room"),
        ("pulsebot.bot", "import crawler.sdk", "the bot must not know crawlers"),
        ("pulsebot.utils", "", "not in the table of layers"),
    ],
)
def test_a_breach_is_named(module: str, source: str, complaint: str) -> None:
    """Whatever breaks the layers is told with its module and its reason."""
    found = complaints({"pulsebot.store.counts": "", module: source})
    assert len(found) == 1
    assert found[0].startswith(module)
    assert found[0].endswith(complaint)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("pulsebot.store.outbox", "import sqlite3\nfrom pulsebot.stream.base import Record"),
        ("pulsebot.store.outbox", "import pulsebot.store.database, pulsebot.views.tally"),
        ("pulsebot.chat.table", "import pulsebot.chat.slack.chat, pulsebot.chat.telegram.chat"),
        ("pulsebot.chat.slack.chat", "import pulsebot.chat.slack.web, pulsebot.chat.base"),
        ("pulsebot.settings", "import pulsebot.stream.config"),
        ("pulsebot.demo.scene", "import crawler.sdk"),
        ("crawler.publisher", "import pulsebot.stream.kafka.writer, crawler.spool"),
    ],
)
def test_what_the_layers_allow_is_not_complained_of(module: str, source: str) -> None:
    """An import up the layers, within a room or of a neighbour's `base` is fine."""
    assert complaints({module: source}) == []


def test_a_circle_is_shown_whole() -> None:
    """Modules that import each other are told as the way round; types alone make no circle."""
    typed = "if TYPE_CHECKING:\n    import crawler.a"
    one_way = {"crawler.a": "import crawler.b", "crawler.b": typed}
    assert complaints(one_way) == []
    (found,) = complaints({**one_way, "crawler.b": "def f():\n    import crawler.a"})
    assert found.startswith("imports go in a circle: ")
    assert {"crawler.a", "crawler.b"} <= set(found.split(": ")[1].split(" -> "))
