"""Where each partition is to be read next: the reader's own truth, whatever its consumer thinks.

A consumer may be thrown away at any time; the next one starts from here. Pure bookkeeping.
"""

from collections.abc import Mapping, Sequence

from pulsebot.stream.base import Gap, Partition


class Positions:
    """The next offset of each partition; 0 stands for the oldest where none was asked."""

    def __init__(self) -> None:
        self._next: dict[Partition, int] = {}
        self._gaps: list[Gap] = []

    def ask(self, positions: Mapping[Partition, int]) -> None:
        """Start again from these offsets; all other partitions from their oldest record."""
        self._next = dict(positions)

    def next(self, partition: Partition) -> int:
        """Return the offset to read next."""
        return self._next.get(partition, 0)

    def read_up_to(self, partition: Partition, offset: int) -> None:
        """Note that the record at `offset` was the last one read."""
        self._next[partition] = offset + 1

    def moved(self, partition: Partition, earliest: int) -> None:
        """Go on at `earliest`, because the next offset is not retained.

        That is a gap, unless all that was asked for was the oldest record.
        """
        asked = self._next.get(partition)
        if asked is not None:
            self._gaps.append(Gap(partition, asked, earliest))
        self._next[partition] = earliest

    def take_gaps(self) -> Sequence[Gap]:
        """Return the gaps met since the last call."""
        gaps, self._gaps = self._gaps, []
        return gaps
