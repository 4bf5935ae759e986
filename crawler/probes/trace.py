"""Puts the lines of a stack trace back together: Python, Java, JavaScript and Go.

A trace is recognised by its first lines and goes on as long as lines look like a part of it,
chained exceptions included. The last trace is known to be complete only when another line or
a quiet time has followed.

This module must not know files, patterns or events.
"""

import re
from dataclasses import dataclass, field
from typing import Generic, TypeVar

MAX_LINES = 1_000
"""Lines of one trace that are kept; more are passed over."""

# All of these are matched at a fixed place against lines of bounded length, and have no
# nested repetition: their time is linear.
_PY_START = re.compile(r"\s*(?:\+ Exception Group )?Traceback \(most recent call last\):")
_PY_END = re.compile(r"([A-Za-z_](?:[\w.]|<locals>)*)(?:: (.*))?$")
_PY_GROUP = re.compile(r"\s+\| ([A-Za-z_][\w.]*): (.* \(\d+ sub-exceptions?\))$")
_PY_CHAIN = (
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
)
_AT_BODY = re.compile(
    r"\s+at |\s*Caused by: |\s*Suppressed: |\s*\.\.\. \d+ (?:more|common|lines matching)"
)
# The code in brackets is how Node marks its own errors.
_HEADER = re.compile(
    r"(?:^|.*?[\s:\]])([A-Za-z_$][\w$.]{0,200}(?:Error|Exception|Throwable|Rejection)|Error)"
    r"(?: \[\w+\])?(?:: (.*))?$"
)
_GO_HEAD = re.compile(r"(?:.*?\s)?(panic|fatal error)(?: serving \S+)?: (.*)$")
_GO_REST_OF_HEAD = re.compile(r"$|\t|\[signal ")
_GO_GOROUTINE = re.compile(r"goroutine \d+ .*\[.*\]:$")
_GO_BODY = re.compile(r"$|\t|created by |\.\.\.|exit status \d+$|\S+\(.*\)$")

T = TypeVar("T")


@dataclass(slots=True)
class Entry(Generic[T]):
    """One or more lines that belong together; `error` is set for a stack trace."""

    lines: list[T] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    error: str | None = None
    message: str | None = None

    def add(self, line: T, text: str) -> None:
        """Add a line, as long as there is room."""
        if len(self.texts) < MAX_LINES:
            self.lines.append(line)
            self.texts.append(text)

    @property
    def stack(self) -> str:
        """The lines as one text."""
        return "\n".join(self.texts)


class Assembler(Generic[T]):
    """Takes lines one by one and gives back entries that are complete.

    `T` is whatever identifies a line to the caller. A line that may be the head of a trace
    is held until the next one.
    """

    def __init__(self) -> None:
        self._held: Entry[T] | None = None
        self._kind = ""
        self._ended = False
        self._braces = False

    @property
    def held(self) -> Entry[T] | None:
        """The entry that is not complete yet."""
        return self._held

    def feed(self, line: T, text: str, *, head: bool = False) -> list[Entry[T]]:
        """Take a line; `head` says that the caller knows it to announce a trace."""
        held = self._held
        if held is not None and self._continues(held, text):
            held.add(line, text)
            return []
        done = self.flush()
        entry: Entry[T] = Entry([line], [text])
        if _PY_START.match(text):
            self._begin(entry, "python")
        elif (found := _header(text)) is not None:
            self._begin(entry, "header")
            self._name, entry.message = found
        elif (found := _panic(text)) is not None:
            self._begin(entry, "panic")
            self._name, entry.message = found
        elif head:
            self._begin(entry, "lead")
        else:
            done.append(entry)
        return done

    def flush(self) -> list[Entry[T]]:
        """Give back what is held, complete or not."""
        held, self._held = self._held, None
        if held is None:
            return []
        if held.error is None:
            held.message = None
            if self._kind == "python":
                held.error = "UnknownError"
        return [held]

    def _begin(self, entry: Entry[T], kind: str) -> None:
        self._held, self._kind, self._ended, self._braces = entry, kind, False, False

    def _continues(self, held: Entry[T], text: str) -> bool:
        if self._kind == "python":
            return self._continues_python(held, text)
        if self._kind in {"panic", "go"}:
            return self._continues_go(held, text)
        if _PY_START.match(text) and self._kind in {"header", "lead"}:
            held.message = None
            self._kind = "python"
            return True
        if self._kind == "lead" and (found := _header(text)) is not None:
            self._name, held.message, self._kind = *found, "header"
            return True
        if self._kind == "lead" and (found := _panic(text)) is not None:
            self._name, held.message, self._kind = *found, "panic"
            return True
        return self._kind in {"header", "at"} and self._continues_at(held, text)

    def _continues_python(self, held: Entry[T], text: str) -> bool:
        if self._ended:
            # After the last line of one traceback only a chained one goes on.
            return not text or text in _PY_CHAIN or self._restarts(held, text)
        if not text or text[0] in " \t|":
            if group := _PY_GROUP.match(text):
                held.error, held.message = group[1], group[2]
            return True
        if found := _PY_END.match(text):
            held.error, held.message = found[1], found[2]
            self._ended = True
            return True
        return False

    def _restarts(self, held: Entry[T], text: str) -> bool:
        if not _PY_START.match(text) or held.texts[-1] != "" or len(held.texts) < 2:  # noqa: PLR2004 - chain line and blank
            return False
        self._ended = held.texts[-2] not in _PY_CHAIN
        return not self._ended

    def _continues_at(self, held: Entry[T], text: str) -> bool:
        if self._braces:
            self._braces = text != "}"
            return text[:1] in {" ", "}"}
        if not _AT_BODY.match(text):
            return False
        self._kind = "at"
        held.error = held.error or self._name
        self._braces = text.endswith(" {")
        return True

    def _continues_go(self, held: Entry[T], text: str) -> bool:
        if _GO_GOROUTINE.match(text):
            self._kind, held.error = "go", self._name
            return True
        body = _GO_BODY if self._kind == "go" else _GO_REST_OF_HEAD
        return body.match(text) is not None


def _header(text: str) -> tuple[str, str | None] | None:
    if not any(word in text for word in ("Error", "Exception", "Throwable", "Rejection")):
        return None  # most lines end here, without the cost of a pattern
    found = _HEADER.match(text)
    return (found[1], found[2]) if found else None


def _panic(text: str) -> tuple[str, str | None] | None:
    if "panic" not in text and "fatal error" not in text:
        return None
    found = _GO_HEAD.match(text)
    return (found[1], found[2]) if found else None
