"""Versions of a page: nobody misses a change, nothing is queued."""

import json
from typing import Any

from markupsafe import Markup

from pulsebot.web.board.base import Picture
from pulsebot.web.board.topic import Topic


def told(topic: Topic, since: int | None) -> Any:
    """Return what a page of a version is told."""
    lines = topic.frame(since).decode().splitlines()
    assert lines[0] == f"id: {topic.mark}"
    return json.loads(lines[1].removeprefix("data: "))


def test_a_slow_page_gets_the_newest_of_each_cell_once() -> None:
    """However many versions it skipped, it is told each changed cell with its present content."""
    topic = Topic()
    for number in range(5):
        topic.show(Picture({"a": str(number), "b": "same", "c": str(number // 4)}))
    assert told(topic, 1) == {"cells": {"a": "4", "c": "1"}}
    assert told(topic, 4) == {"cells": {"a": "4", "c": "1"}}
    assert told(topic, topic.version) == {"cells": {}}


def test_the_same_picture_is_no_news() -> None:
    """Nobody is woken for what they have."""
    topic = Topic()
    with topic.watching() as news:
        topic.show(Picture({"a": "1"}))
        assert news.is_set()
        news.clear()
        topic.show(Picture({"a": "1"}))
        assert not news.is_set()


def test_whatever_is_not_markup_is_escaped() -> None:
    """A text of an event can be put into a cell as it is."""
    topic = Topic()
    topic.show(Picture({"a": "<b>", "b": Markup("<b>")}))
    assert topic.cells == {"a": "&lt;b&gt;", "b": "<b>"}


def test_a_page_with_another_shape_is_fetched_again() -> None:
    """New rows cannot be patched in; pages that have them already are left alone."""
    topic = Topic()
    topic.show(Picture({"a": "1"}, {"a"}))
    topic.show(Picture({"a": "1", "b": "2"}, {"a", "b"}))
    topic.show(Picture({"a": "2", "b": "2"}, {"a", "b"}))
    assert told(topic, 1) == {"cells": {"a": "2", "b": "2"}, "reload": True}
    assert told(topic, 2) == {"cells": {"a": "2"}}


def test_a_mark_of_another_process_is_not_understood() -> None:
    """A page that outlived the bot, or made its mark up, starts anew."""
    topic = Topic()
    topic.show(Picture({"a": "1"}))
    assert topic.version_of(topic.mark) == 1
    for mark in ("", "1", f"{topic.epoch}.2", f"{topic.epoch}.x", f"other.{1}"):
        assert topic.version_of(mark) is None
    assert told(topic, None) == {"restart": True}
