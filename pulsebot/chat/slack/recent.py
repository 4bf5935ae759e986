"""Remembers what came lately: Slack delivers again what it saw no answer to."""

from collections import OrderedDict


class Recent:
    """The last `size` keys."""

    def __init__(self, size: int = 4_096) -> None:
        self._size = size
        self._keys: OrderedDict[str, None] = OrderedDict()

    def add(self, key: str) -> bool:
        """Remember a key; return whether it was new."""
        if key in self._keys:
            return False
        self._keys[key] = None
        if len(self._keys) > self._size:
            self._keys.popitem(last=False)
        return True
