"""News: rings for everybody who waits whenever a transaction may have changed a view."""

import asyncio


class News:
    """A bell; `ring` costs next to nothing while nobody waits. For one event loop."""

    def __init__(self) -> None:
        self._bell: asyncio.Event | None = None

    def ring(self) -> None:
        """Wake everybody who waits."""
        if self._bell is not None:
            self._bell.set()
            self._bell = None

    def next(self) -> asyncio.Event:
        """Return what is set at the next ring: take it before looking, wait for it after."""
        if self._bell is None:
            self._bell = asyncio.Event()
        return self._bell
