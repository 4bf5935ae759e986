"""A topic: what one page shows now, and since when each cell has been so.

Whoever watches holds one number, the version it has; what it lacks is told from that. So a
slow page needs no queue: it skips what was replaced meanwhile, and nothing waits for it.
"""

import asyncio
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from markupsafe import Markup, escape

from pulsebot.web.board.base import Picture


class Topic:
    """The picture of one page through time. Used in one event loop."""

    def __init__(self) -> None:
        self.epoch = secrets.token_hex(4)
        self.version = 0
        self.looked_at = 0.0
        """Loop time when somebody last asked for it."""
        self.at_ms = 0
        """Time of what is shown."""
        self.cells: dict[str, Markup] = {}
        self.drawn_at = float("-inf")
        """Loop time of the last look, also one that found nothing new."""
        self._changed: dict[str, int] = {}
        self._shape: object = None
        self._reshaped = 0
        self._frames: dict[int, bytes] = {}
        self._watchers: set[asyncio.Event] = set()

    @property
    def watched(self) -> int:
        """How many pages are connected."""
        return len(self._watchers)

    @property
    def mark(self) -> str:
        """The name of the present version, for a page to connect with."""
        return f"{self.epoch}.{self.version}"

    def show(self, picture: Picture) -> None:
        """Take a new picture; watchers hear of it if it differs.

        Whatever is not markup is escaped here: no text of an event gets past as markup.
        """
        news = {i: escape(c) for i, c in picture.cells.items() if self.cells.get(i) != c}
        reshaped = picture.shape != self._shape
        if not news and not reshaped:
            return
        self.version += 1
        self.cells = {i: news[i] if i in news else self.cells[i] for i in picture.cells}
        self._changed.update(dict.fromkeys(news, self.version))
        for gone in self._changed.keys() - self.cells.keys():
            del self._changed[gone]
        if reshaped:
            self._shape, self._reshaped = picture.shape, self.version
        self._frames.clear()
        for watcher in self._watchers:
            watcher.set()

    def version_of(self, mark: str) -> int | None:
        """Return the version that a mark names; None: it is of another process or time."""
        epoch, _, number = mark.partition(".")
        if epoch != self.epoch or not number.isdecimal() or int(number) > self.version:
            return None
        return int(number)

    def frame(self, since: int | None) -> bytes:
        """Return the event that brings a page from a version up to the present one."""
        if since is None:
            return self._event({"restart": True})
        if since not in self._frames:
            cells = {i: self.cells[i] for i, version in self._changed.items() if version > since}
            body: dict[str, object] = {"cells": cells}
            if self._reshaped > since:
                body["reload"] = True
            self._frames[since] = self._event(body)
        return self._frames[since]

    def _event(self, body: dict[str, object]) -> bytes:
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        return f"id: {self.mark}\ndata: {text}\n\n".encode()

    @contextmanager
    def watching(self) -> Iterator[asyncio.Event]:
        """Be told of new versions while entered: the event is set with each."""
        news = asyncio.Event()
        self._watchers.add(news)
        try:
            yield news
        finally:
            self._watchers.discard(news)
