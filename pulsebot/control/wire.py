"""What is said over the socket: one line of JSON asks, lines of JSON answer.

A request is answered by any number of pieces, and by a fault or the end. This module must not
know sockets.
"""

from typing import TypeVar

import msgspec
from msgspec import Struct

from pulsebot.errors import InvalidInput, StoreError
from pulsebot.materialize.answer import Answer, Building, Changes, Piece
from pulsebot.views.place import InvalidSql, Place

Said = TypeVar("Said", bound=Struct)

REQUEST = 256 * 1024
"""Bytes of a request at the most: the longest text of SQL, with all of it escaped."""

REPLY = 64 * 1024 * 1024
"""Bytes of one line of an answer at the most; answers are bounded far below it."""


class Request(Struct, frozen=True):
    """Statements to carry out."""

    sql: str


class Fault(Struct, frozen=True):
    """Why the statements could not be carried out; `line` is 0 where it has no place."""

    message: str
    line: int = 0
    column: int = 0

    def error(self) -> InvalidInput:
        """Return the error that this was where it was raised."""
        if self.line:
            return InvalidSql(self.message, Place(self.line, self.column))
        return InvalidInput(self.message)


class Reply(Struct, frozen=True, omit_defaults=True):
    """One line of an answer: one of these is set."""

    answer: Answer | None = None
    building: Building | None = None
    changes: Changes | None = None
    fault: Fault | None = None
    end: bool = False

    @property
    def piece(self) -> Piece | None:
        """The piece in it, if any."""
        return self.answer or self.building or self.changes


def reply_of(piece: Piece) -> Reply:
    """Return the line that carries a piece."""
    match piece:
        case Answer():
            return Reply(answer=piece)
        case Building():
            return Reply(building=piece)
        case Changes():
            return Reply(changes=piece)


def fault_of(error: InvalidInput | StoreError) -> Fault:
    """Return what tells of an error."""
    if isinstance(error, InvalidSql):
        return Fault(error.message, error.place.line, error.place.column)
    return Fault(str(error))


def encode(said: Request | Reply) -> bytes:
    """Return a line."""
    return msgspec.json.encode(said) + b"\n"


def request(line: bytes) -> Request:
    """Read a request; raises InvalidInput."""
    return _read(line, Request)


def reply(line: bytes) -> Reply:
    """Read a line of an answer; raises InvalidInput."""
    return _read(line, Reply)


def _read(line: bytes, kind: type[Said]) -> Said:
    try:
        return msgspec.json.decode(line, type=kind)
    except msgspec.MsgspecError as error:
        raise InvalidInput(
            f"not understood: {error}; are both sides of one version of pulsebot?"
        ) from None
