"""Follows a growing file line by line, through whatever rotates it.

Rename, copy-and-truncate, removal and late creation are seen at the next look. A place in the
file is known by inode, offset and the file's first bytes, so that after a restart the file is
found again even under its rotated name, and no line is lost or given twice.

This module must not know what the lines mean.
"""

import hashlib
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

log = logging.getLogger(__name__)

MAX_LINE = 16_384
"""Bytes of a line that are kept; the rest of a longer one is passed over."""
CHUNK = 262_144
"""Bytes read at one look, so that a backlog does not hold up everything else."""
HEAD = 256
"""First bytes of a file by which it is recognised."""
PATIENCE = 4
"""Looks without news at a rotated file before the new one is begun: its writer may not have
noticed yet."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a file: `skipping` inside a line whose kept part was already given."""

    inode: int
    offset: int
    head_length: int
    head: str
    skipping: bool = False

    def dump(self) -> str:
        """Return the mark as JSON."""
        return json.dumps(
            [self.inode, self.offset, self.head_length, self.head, int(self.skipping)]
        )

    @staticmethod
    def parse(text: str) -> "Mark":
        """Read what `dump` wrote."""
        inode, offset, head_length, head, skipping = json.loads(text)
        return Mark(inode, offset, head_length, head, bool(skipping))


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end; reading again from `start` gives it again, from `end` not."""

    text: str
    start: Mark
    end: Mark


class _Open:
    """An open file and how far its lines were given."""

    def __init__(self, path: Path) -> None:
        self.file: BinaryIO = path.open("rb")
        self.inode = os.fstat(self.file.fileno()).st_ino
        self.offset = 0
        self.skipping = False
        self.head = self.file.read(HEAD)

    def identity(self) -> tuple[int, str]:
        """Return what tells this file from others, also when its inode is used again."""
        self.file.seek(0)
        return self.inode, _digest(self.file.read(HEAD))

    def written(self) -> int:
        return os.fstat(self.file.fileno()).st_mtime_ns

    def size(self) -> int:
        return os.fstat(self.file.fileno()).st_size

    def mark(self, offset: int | None = None, *, skipping: bool | None = None) -> Mark:
        offset = self.offset if offset is None else offset
        length = min(offset, HEAD)
        if len(self.head) < length:
            self.file.seek(0)
            self.head = self.file.read(HEAD)
        skip = self.skipping if skipping is None else skipping
        return Mark(self.inode, offset, length, _digest(self.head[:length]), skip)

    def fits(self, mark: Mark) -> bool:
        """Tell whether the mark may have been made in this file."""
        if self.size() < mark.offset:
            return False
        self.file.seek(0)
        return _digest(self.file.read(mark.head_length)) == mark.head

    def go_to(self, mark: Mark) -> None:
        self.offset, self.skipping = mark.offset, mark.skipping

    def lines(self, *, last: bool = False) -> Iterator[Line]:
        """Yield complete lines of the next chunk; with `last` an unfinished one as well."""
        self.file.seek(self.offset)
        chunk = self.file.read(CHUNK)
        position = 0
        while (end := chunk.find(b"\n", position)) >= 0:
            yield from self._line(chunk[position:end], end + 1 - position)
            position = end + 1
        rest = chunk[position:]
        if len(rest) > MAX_LINE:
            yield from self._line(rest, len(rest), skipping=True)
        elif rest and last and len(chunk) < CHUNK:
            yield from self._line(rest, len(rest))

    def _line(self, raw: bytes, length: int, *, skipping: bool = False) -> Iterator[Line]:
        start, was_skipping = self.mark(), self.skipping
        self.offset += length
        self.skipping = skipping
        if not was_skipping:
            kept = raw[:MAX_LINE].removesuffix(b"\r").lstrip(b"\0")
            yield Line(kept.decode("utf-8", "replace"), start, self.mark())


class Tail:
    """Follows one path; `mark` is where to go on, None begins at the end of what is there."""

    def __init__(self, path: Path, mark: Mark | None = None, *, from_start: bool = False) -> None:
        self._path = path
        self._quiet = 0
        self._queue: list[_Open] = []
        self._done: set[tuple[int, str]] = set()
        self._current: _Open | None = None
        if mark is not None:
            self._resume(mark)
        elif (current := _open(path)) is not None and not from_start:
            self._current = current
            # Inside a line that is being written: the rest of it is no line.
            current.file.seek(max(current.size() - 1, 0))
            current.offset = current.size()
            current.skipping = current.offset > 0 and current.file.read(1) != b"\n"
        else:
            self._current = current

    def close(self) -> None:
        """Close all files."""
        for opened in [self._current, *self._queue]:
            if opened is not None:
                opened.file.close()
        self._current = None
        self._queue = []

    def mark(self) -> Mark | None:
        """Return where the next line begins; None where no file was seen yet."""
        return self._current.mark() if self._current is not None else None

    def read(self) -> list[Line]:
        """Return the lines that are new, up to about 256 KiB of them."""
        if self._current is None:
            self._current = _open(self._path)
        current = self._current
        if current is None:
            return []
        if not current.fits(current.mark()):
            return self._truncated(current)
        lines = list(current.lines())
        if lines or current.size() - current.offset >= CHUNK:
            self._quiet = 0
            return lines
        return self._next(current)

    def _next(self, current: _Open) -> list[Line]:
        """Go on to the next file once the present one was replaced and has gone quiet."""
        if not self._queue:
            if not self._replaced(current):
                return []
            self._quiet += 1
            if self._quiet < PATIENCE:
                return []
            self._queue = self._after(current, ties=True)
            if not self._queue:
                return []
        lines = list(current.lines(last=True))
        self._done.add(current.identity())
        current.file.close()
        self._current = self._queue.pop(0)
        self._quiet = 0
        return lines

    def _after(self, current: _Open, *, ties: bool) -> list[_Open]:
        """Open the files that came after the present one, oldest first.

        The path itself first, then its siblings until nothing new turns up: a rotation in
        the midst of it renames files under our hands, but takes none away. With `ties` those
        written last in the same tick of the clock as the present one count as later, unless
        they were read.
        """
        since = current.written()
        found: dict[int, _Open] = {}
        at_the_path: list[int] = []
        known = 0
        while not found or len(found) > known:
            known = len(found)
            for path in [self._path, *self._siblings()]:
                candidate = _open(path)
                if candidate is None:
                    continue
                if path == self._path:
                    at_the_path.append(candidate.inode)
                if candidate.inode in found:
                    candidate.file.close()
                else:
                    found[candidate.inode] = candidate
            if not found:
                return []
        self._done &= {candidate.identity() for candidate in found.values()}
        later = []
        for candidate in found.values():
            newer = candidate.written() > since or (ties and candidate.written() == since)
            if (
                newer
                and candidate.inode != current.inode
                and candidate.identity() not in self._done
            ):
                later.append(candidate)
            else:
                candidate.file.close()
        # Written in one tick of the clock, what is at the path comes last: it still grows.
        return sorted(later, key=lambda one: (one.written(), one.inode in at_the_path))

    def _replaced(self, current: _Open) -> bool:
        try:
            return self._path.stat().st_ino != current.inode
        except OSError:
            return False  # moved away, and nothing new yet: the writer may still hold the old one

    def _truncated(self, current: _Open) -> list[Line]:
        """Begin again; where the old content was copied first, read its rest from the copy."""
        mark = current.mark()
        current.file.close()
        self._current = None
        copy = self._find(mark, among=self._siblings())
        if copy is not None:
            self._current = copy
            self._queue = [opened for opened in [_open(self._path)] if opened is not None]
        return []

    def _resume(self, mark: Mark) -> None:
        siblings = self._siblings()
        found = self._find(mark, among=[self._path, *siblings])
        if found is None:
            log.warning(
                "%s: the file that was read before is gone, with its last lines", self._path
            )
            self._current = _open(self._path)
            return
        self._current = found
        if not self._replaced(found):
            return
        # What was rotated while nobody looked, oldest first, and then the present file.
        self._queue = self._after(found, ties=False)

    def _siblings(self) -> list[Path]:
        """Return the rotated files beside the path, in no order; packed ones are left out."""
        pattern = f"{_escaped(self._path.name)}?*"
        found = [path for path in self._path.parent.glob(pattern) if path.is_file()]
        return [path for path in found if path.suffix not in {".gz", ".xz", ".bz2", ".zst"}]

    def _find(self, mark: Mark, among: list[Path]) -> _Open | None:
        fitting = []
        for path in among:
            candidate = _open(path)
            if candidate is None:
                continue
            if candidate.fits(mark) and (mark.head_length or candidate.inode == mark.inode):
                fitting.append(candidate)
            else:
                candidate.file.close()
        # Files that all begin with the same banner: a copy was made after the older ones.
        fitting.sort(key=lambda other: (other.inode != mark.inode, -other.written()))
        for other in fitting[1:]:
            other.file.close()
        if not fitting:
            return None
        fitting[0].go_to(mark)
        return fitting[0]


def _open(path: Path) -> _Open | None:
    try:
        return _Open(path)
    except OSError:
        return None


def _digest(head: bytes) -> str:
    return hashlib.blake2b(head, digest_size=8).hexdigest()


def _escaped(name: str) -> str:
    return "".join(f"[{char}]" if char in "*?[" else char for char in name)
